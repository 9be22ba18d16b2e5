"""The page in a real browser: drawn, obedient, silent, and right."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_tools import browser_in, source, two_estimators
from test_report_page import CASES, HOSTILE, hostile, ranked_alike

from zobench.analysis.ecdf import ecdf
from zobench.analysis.leaderboard import COLUMNS
from zobench.analysis.runlengths import run_table
from zobench.analysis.scores import mean_score, run_scores
from zobench.report.board import board
from zobench.report.html import page

CONTROLS = Path(__file__).with_name("report_controls.js").read_text()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    return browser_in(tmp_path_factory.mktemp("browser"))


def test_a_broken_page_is_noticed(browser):
    html = page(two_estimators()).replace("</body>", "<script>nonsense()</script></body>")
    assert any("Content Security Policy" in line for line in browser.console(html))


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_result_is_drawn_without_a_word(browser, name):
    made = CASES[name]()
    assert browser.console(page(made)) == []


def test_curves_are_those_of_the_analysis(browser):
    made = two_estimators()
    table = run_table(made.runs, made.frames.hits, made.problems)
    expected = ecdf(table)
    xs = np.geomspace(0.11, 9.9, 40)
    told = browser.outcome(
        page(made),
        f"const xs = {xs.tolist()};"
        "return zobench.ecdf.map((s) => [s.name, xs.map((x) => s.at(x)), s.band]);",
    )
    assert {name for name, *_ in told} == {"fast", "slow"}
    for name, shares, band in told:
        mine = expected[expected["estimator"] == name]
        wanted = table[table["estimator"] == name]
        reached = wanted["length"].where(wanted["success"], np.inf).to_numpy()[:, None]
        assert np.allclose(shares, (reached / 10 <= xs).mean(axis=0))
        place, low, high = np.array(band, float).T
        for side, values in (("low", low), ("high", high)):
            there = np.interp(np.log10(place), mine["x"], mine[side])
            assert np.abs(values - there).mean() < 0.02
            assert np.abs(values - mine["share"].mean()).mean() > 0.02  # not just the curve


def test_areas_are_the_scores_of_the_analysis(browser):
    made = two_estimators()
    scores = run_scores(run_table(made.runs, made.frames.hits, made.problems))
    rows = browser.outcome(
        page(made),
        "return [...document.querySelectorAll('#ecdf .numbers tbody tr')]"
        ".map((r) => [...r.cells].map((c) => c.textContent));",
    )
    assert {row[0] for row in rows} == {"fast", "slow"}
    for name, problems, runs, *_, area in rows:
        assert (problems, runs) == ("3", "18")
        assert float(area) == pytest.approx(mean_score(scores, name, "log_area").value, abs=6e-4)


def test_medians_and_traces_are_those_of_the_runs(browser):
    made = two_estimators(repetitions=5, problems=1)
    told = browser.outcome(page(made), "return zobench.converge.map((s) => [s.name, s.at(1e9)]);")
    for name, last in told:
        assert last == pytest.approx(0.5, rel=1e-3), name
    first = made.frames.traces[made.frames.traces["run_key"] == made.runs["run_key"].iloc[0]]
    rows = browser.outcome(page(made), "return zobench.runs[0].trace();")
    assert np.allclose([r["queries"] for r in rows], first["queries"], rtol=3e-4)
    assert np.allclose([r["seconds"] for r in rows], first["seconds"], rtol=3e-4)
    assert np.allclose([r["score"] for r in rows], first["score"], rtol=1e-3)


def test_the_controls_do_what_they_say(browser):
    told = browser.outcome(
        page(two_estimators()),
        CONTROLS,
    )
    assert told["lines"] == [2, 2]
    assert told["bands"] == 2
    assert told["one"] == [1, 1, 1]
    assert told["none"] == [0, "No estimator is chosen, or none has runs here"]
    assert told["bandless"] == 0
    assert told["seconds"] == [2, True]
    assert told["cut"] == [1, "1.00 × d"]  # halfway from 0.1 to 10 on a log axis
    assert told["picked"] == ["2 of 3", "2"]
    assert told["group"] == "1 of 3"
    assert told["single"] == 12
    assert told["label"].startswith("Score on p1")
    assert "fast" in told["aloud"]
    assert told["readout"]
    assert told["theme"] == ["", "dark", "rgb(21, 23, 26)"]
    assert told["filter"] == 3
    assert told["up"] == ["ascending", sorted(told["up"][1])]
    assert told["down"] == ["descending", sorted(told["up"][1], reverse=True)]
    assert told["runs"] == 6


def test_meters_compare_on_common_problems_only(browser):
    cheap, dear = {"seconds": 1.0, "queries": 100}, {"seconds": 9.0, "queries": 100}
    made = source([("p", "a", 0, [5], cheap), ("p", "b", 0, [5], cheap), ("q", "a", 0, [5], dear)])
    told = browser.outcome(
        page(made),
        "return [...document.querySelectorAll('#meters tbody tr')].map((r) => "
        "r.cells[1].textContent).concat(['#meters', '#ecdf'].map((id) => "
        "document.querySelector(`${id} [data-key=about]`).textContent));",
    )
    assert told[:2] == ["10 ms", "10 ms"]
    assert told[2].startswith("time over 1, memory over 1 of 2: ")
    assert told[3].startswith("Not over the same problems: of 2, b on 1.")


def test_a_score_of_zero_stays_zero_where_it_is_told(browser):
    made = two_estimators(problems=1)
    made.frames.traces.loc[made.frames.traces["queries"] > 1, "score"] = 0.0
    points, read, drawn = browser.outcome(
        page(made),
        "const s = zobench.converge[0]; return [s.points.at(-1)[1], s.at(1e9), "
        "document.querySelector('#converge .line').getAttribute('d')];",
    )
    assert (points, read) == (0, 0)
    assert "NaN" not in drawn
    assert "Infinity" not in drawn


def test_fronts_and_tests_of_ranks_are_drawn_and_obey(browser):
    told = browser.outcome(
        page(ranked_alike()),
        """
        const $ = (s) => document.querySelector(s), all = (s) => [...document.querySelectorAll(s)];
        const change = (s, v) => { $(s).value = v; $(s).dispatchEvent(new Event("change")); };
        const row = (r) => [...r.cells].map((c) => c.textContent);
        const cells = (s) => all(`${s} .numbers tbody tr`).map(row);
        const out = { dots: all("#pareto .dot").length, front: cells("#pareto").map((r) => r[3]),
                      marks: all("#ranks .shape").length, bars: all("#ranks .clique").length,
                      said: $("#ranks [data-key=said]").textContent, ranks: cells("#ranks"),
                      label: $("#ranks svg").getAttribute("aria-label"),
                      cells: all("#ranksum .cell").length,
                      sum: $("#ranksum [data-key=said]").textContent };
        all("#ranks thead button")[1].click();
        all("#ranks thead button")[1].click();
        out.sorted = cells("#ranks").map((r) => r[0]);
        change('#ranks [data-key="control"]', "2");
        out.control = cells("#ranks").map((r) => r[4]);
        change('#ranks [data-key="scope"]', "1");
        out.five = $("#ranks [data-key=said]").textContent;
        change('#ranksum [data-key="other"]', "1");
        out.last = zobench.ranksum[0].effect;
        $("#none").click();
        out.none = [all("#pareto .dot").length, $("#pareto .empty").textContent];
        return out;
        """,
    )
    assert (told["dots"], told["front"]) == (3, ["yes"] * 3)
    assert (told["marks"], told["bars"]) == (3, 2)
    assert told["said"].startswith(
        "On 8 of 8 problems, those that all 3 ran: the estimators differ"
    )
    assert [row[1] for row in told["ranks"]] == ["1.00", "2.00", "3.00"]
    assert [row[3] for row in told["ranks"]] == ["A", "AB", "B"]
    assert told["label"].startswith("Mean ranks, 1 is best: a 1.00, b 2.00, c 3.00.")
    assert told["cells"] == 16
    assert told["sum"].startswith("Of 16 targets that a run of either reached, a is sooner at ")
    assert told["sorted"] == ["c", "b", "a"]
    assert told["control"][2] == "control"
    assert told["five"].startswith("On 3 of 3 problems")
    assert "so few problems" in told["five"]
    assert told["last"] == 1
    assert told["none"] == [0, "No estimator is chosen, or none has runs here"]


def test_everything_has_a_name_and_nothing_overflows(browser):
    script = """
        const named = (node) => node.getAttribute("aria-label") || node.labels?.length && node.labels[0].textContent.trim() || node.textContent.trim();
        const nodes = [...document.querySelectorAll("button, select, input, svg[role], [role=region], a")];
        const title = document.querySelector("h1");
        return { nameless: nodes.filter((n) => !named(n)).map((n) => n.outerHTML), width: document.documentElement.scrollWidth, window: innerWidth,
                 heads: [...document.querySelectorAll("thead th:not([aria-hidden])")].filter((h) => h.getAttribute("scope") !== "col").length,
                 lang: document.documentElement.lang, size: getComputedStyle(title).fontSize };
    """  # noqa: E501
    for size in ("500,900", "1400,900"):
        told = browser.outcome(page(two_estimators()), script, f"--window-size={size}")
        assert told["nameless"] == []
        assert told["heads"] == 0
        assert told["width"] <= told["window"]
        assert told["lang"] == "en"
    phone = browser.outcome(page(two_estimators()), script, width=340)
    assert phone["window"] == 340
    assert phone["width"] <= 340


LONG = "nevergrad:name=MetaModelDiagonalCMA,initial_popsize=1000"


def long_names():
    names = (LONG, f"{LONG},x=2", "c")
    runs = [(f"p{p}", n, r, [2 + r, 9 + r], {"peak_memory": 1e6 * (2 + len(n))})
            for p in range(3) for n in names for r in range(4)]  # fmt: skip
    made = source(runs, targets=(1.0, 0.1))
    made.runs["settings"] = f'{{"value_of_a_setting_with_a_long_name": "{LONG}"}}'
    return made


def test_long_names_fit_a_phone_and_the_figures(browser):
    told = browser.outcome(
        page(long_names()),
        "return [document.documentElement.scrollWidth, "
        "[...document.querySelectorAll('.controls')].map((n) => n.scrollWidth - n.clientWidth)];",
        width=340,
    )
    assert told[0] <= 340
    assert max(told[1]) <= 0
    names = """
        return [...document.querySelectorAll(".plot .name")].map((node) => {
          const box = node.getBBox(), { width } = node.ownerSVGElement.viewBox.baseVal;
          return [node.firstChild.textContent, box.x, width - box.x - box.width];
        });"""
    for size in ("700,900", "1400,900"):
        told = browser.outcome(page(long_names()), names, f"--window-size={size}")
        assert len(told) >= 9
        assert min(min(rest) for _, *rest in told) >= 0
        assert {name[-5:] for name, *_ in told} == {"=1000", "0,x=2", "c"}  # the middle is cut


def test_it_prints(browser, tmp_path):
    file = tmp_path / "page.pdf"
    browser.run(page(two_estimators()), f"--print-to-pdf={file}")
    assert file.read_bytes().startswith(b"%PDF")
    assert file.stat().st_size > 20_000


def test_a_sheet_of_paper_holds_all_columns(browser):
    boards = board([
        rows_of_a_board(method=m, group=f"{g}-quadratic", dimension=d, speedup="2", n_failed="3",
                        speedup_low="1.234", speedup_high="2.345", us_per_query="1.25",
                        date="2026-01-01", verified="none", n_speedup="2", n_problems="24")
        for m in ("random-search", "momentum") for g in range(8) for d in ("2", "40", "100", "5000")
    ])  # fmt: skip
    script = """
        const heads = [...document.querySelectorAll("thead th:not([aria-hidden])")];
        const shown = (node) => { const range = document.createRange(); range.selectNodeContents(node);
                                  return range.getBoundingClientRect(); };
        const seen = heads.filter((head) => head.offsetParent);
        return { right: Math.max(...seen.map((head) => shown(head).right)), heads: seen.length,
                 hidden: seen.filter((head) => !shown(head).width).length,
                 page: [document.documentElement.scrollWidth, innerWidth],
                 arrows: [...document.querySelectorAll("th button")].filter((b) => getComputedStyle(b, "::after").content !== "none").length };
    """  # noqa: E501
    for html in (page(long_names()), boards):
        printed = html.replace("@media print", "@media all")
        told = browser.outcome(printed, script, width=1032)  # A4, landscape, without its margins
        assert told["heads"] > 40
        assert told["hidden"] == told["arrows"] == 0
        assert told["right"] <= 1032
        assert told["page"][0] <= told["page"][1]


def test_every_table_of_several_rows_sorts_and_all_have_names(browser):
    script = """
        const tables = [...document.querySelectorAll("table")];
        const name = (t) => t.getAttribute("aria-label") || t.caption?.textContent.trim();
        const heads = (t) => [...t.querySelectorAll("thead th:not([aria-hidden])")];
        const several = tables.filter((t) => t.tHead && t.tBodies[0].rows.length > 1);
        const click = (head) => { head.querySelector("button").click();
          const t = head.closest("table"), at = head.cellIndex;
          return [...t.tBodies[0].rows].map((r) => r.cells[at].textContent.trim()); };
        const [ecdf, scores] = ["#ecdf .numbers", "[data-name=scores]"].map((s) => document.querySelector(s));
        return { nameless: tables.filter((t) => !name(t)).length, tables: several.length,
                 unsorted: several.filter((t) => heads(t).some((h) => !h.querySelector("button"))).map(name),
                 area: click(heads(ecdf).at(-1)), score: [click(heads(scores)[2]), click(heads(scores)[2])],
                 bars: click(document.querySelectorAll("#meters thead th")[1]) };
    """  # noqa: E501
    told = browser.outcome(page(long_names()), script)
    assert told["nameless"] == 0
    assert told["tables"] >= 11
    assert told["unsorted"] == []
    for values in (told["area"], told["score"][0][::-1], told["score"][1]):
        assert values == sorted(values)
    assert len(told["bars"]) == 3


def test_what_is_said_of_ranks_agrees_with_itself(browser):
    """a is first on all four problems, b and c take turns: F says so, Nemenyi of no pair."""
    runs = [(f"p{p}", n, r, [1 + 2 * k + r % 2, 20 * (k + 1) + r], {})
            for p in range(4) for k, n in enumerate("abc" if p % 2 else "acb")
            for r in range(5)]  # fmt: skip
    told = browser.outcome(
        page(source(runs, targets=(1.0, 0.1))),
        "return document.querySelector('#ranks [data-key=said]').textContent;",
    )
    assert "some of the estimators differ, but it is not shown which" in told
    assert "F = 9.00, p = 0.016" in told
    assert "By mean ranks no pair is told apart" in told
    assert "so few problems that only large differences are shown" in told


def test_a_figure_with_nothing_in_it_is_small(browser):
    made = two_estimators()
    made.runs["peak_memory"] = np.nan
    told = browser.outcome(
        page(made),
        "const plot = document.querySelector('#pareto .plot');"
        "return [plot.textContent, plot.clientHeight];",
    )
    assert told == ["Memory was not measured here", 60]


def test_saved_csv_holds_what_is_drawn_and_no_formula(browser):
    name = "=HYPERLINK(1)"
    names = (name, 'b, "c"')
    made = source([(p, n, i, [2 + i, 9], {}) for p in "pq" for n in names for i in range(5)])
    told = browser.outcome(
        page(made),
        """
        const saved = [];
        URL.createObjectURL = (blob) => { saved.push(blob); return "#"; };
        const RealBlob = Blob;
        window.Blob = function (parts) { saved.push(parts.join("")); return new RealBlob(parts); };
        const buttons = document.querySelectorAll('[data-key="csv"], #run-csv, [data-csv]');
        buttons.forEach((button) => button.click());
        return saved.filter((s) => typeof s === "string");
        """,
    )
    assert len(told) == 8
    for text in told:
        rows = list(csv.reader(io.StringIO(text)))
        assert len({len(row) for row in rows}) == 1
        cells = {cell for row in rows for cell in row}
        assert name not in cells
        assert any(cell.startswith(f"'{name}") for cell in cells)
        assert any('b, "c"' in cell for cell in cells)
    kinds = {row[3] for row in csv.reader(io.StringIO(told[0]))}
    assert kinds == {"kind", "curve", "band low", "band high"}


def test_hostile_text_does_nothing(browser):
    text = "".join(HOSTILE)
    told = browser.outcome(
        page(hostile(text)),
        "return [window.hacked ?? 'safe', document.querySelectorAll('img').length, "
        "document.querySelector('#converge select').options[0].textContent, "
        "document.querySelector('#run-table tbody td').textContent];",
    )
    assert told[:2] == ["safe", 0]
    assert told[2:] == [text, text]


def rows_of_a_board(**facts):
    plain = dict.fromkeys(COLUMNS, "") | {"suite": "s", "suite_version": "1", "group": "g"}
    plain |= {"dimension": "10", "coverage": "1", "track": "tuned", "cpu": "A", "threads": "1"}
    return plain | {"first_order": "False", "log_area": "0.5"} | facts


def test_the_leaderboard_sorts_and_filters(browser):
    rows = [
        rows_of_a_board(method="low", log_area="0.1", track="user"),
        rows_of_a_board(method="high", log_area="0.9", speedup="2", speedup_high="inf",
                        speedup_low="1", n_speedup="2", n_problems="24", baseline="low"),
        rows_of_a_board(method="guide", log_area="0.95", first_order="True"),
        rows_of_a_board(method="part", coverage="0.5", cpu="B"),
        rows_of_a_board(method=HOSTILE[0], dimension="40", group=HOSTILE[1], cpu=HOSTILE[2]),
        rows_of_a_board(method="low", dimension="40", group=HOSTILE[1], log_area="0.45"),
    ]  # fmt: skip
    html = board(rows)
    assert browser.console(html) == []
    told = browser.outcome(
        html,
        """
        const all = (s) => [...document.querySelectorAll(s)];
        const names = () => all("#groups tbody th").map((c) => c.firstChild.textContent);
        const texts = (cells) => [...cells].map((c) => c.textContent);
        const glance = () => all("#overview tbody tr").map((r) => texts(r.cells));
        const set = (id, value) => {
            const select = document.querySelector(id);
            select.value = value;
            select.dispatchEvent(new Event("change"));
        };
        const out = { all: names(), tables: all("#groups table").length };
        out.hacked = window.hacked ?? "safe";
        out.glance = glance(); out.heads = texts(all("#overview thead th"));
        const second = all("#overview thead button")[2];
        second.click(); out.first = glance()[0][0]; second.click(); out.then = glance()[0][0];
        all("#groups thead button").find((b) => b.textContent === "method").click();
        out.sorted = names();
        set("#by-track", "=user"); out.track = names(); set("#by-track", "");
        set("#by-hardware", "=B, 1 threads"); out.hardware = names(); set("#by-hardware", "");
        set("#by-group", "=g"); out.family = names();
        out.hidden = document.querySelector("#overview").hidden; set("#by-group", "");
        document.querySelector("#full").click(); out.full = names().length;
        out.text = document.body.innerText;
        out.bars = all("td.bar").map((c) => [c.dataset.sort, c.style.getPropertyValue("--share")]);
        return out;
        """,
    )
    assert told["all"] == ["high", "part", "low", "guide", HOSTILE[0], "low"]
    assert told["tables"] == 2
    assert told["hacked"] == "safe"
    assert told["heads"] == ["method", "s 1 · g · d = 10", f"s 1 · {HOSTILE[1]} · d = 40"]
    assert told["glance"] == [  # percent of 0.9: the guide has gradients; "part" has half its runs
        *(["low", "11", "90"], [HOSTILE[0], "–", "100"], ["high", "100", "–"]),
        *(["part", "56*", "–"], ["guide first-order", "106", "–"]),
    ]
    assert [told["first"], told["then"]] == [HOSTILE[0], "low"]  # scores: the best first
    assert told["hidden"]  # one table is left, which says it all
    assert told["sorted"][:4] == ["guide", "high", "low", "part"]
    assert told["track"] == ["low"]
    assert told["hardware"] == ["part"]
    assert told["family"] == ["high", "part", "low", "guide"]
    assert told["full"] == 5
    assert "1.00 to ∞, 2 of 24" in told["text"]
    assert "speed-ups against low" in told["text"]
    bars = [(float(score), float(share)) for score, share in told["bars"]]
    assert bars
    assert all(
        share == pytest.approx(score / 0.95) for score, share in bars if score not in (0.45, 0.5)
    )
    assert "first-order reference" in told["text"]


def untimed(*names):
    """Two estimators, or those of `names`; `slow` without seconds, as an import has it."""
    made = two_estimators()
    keys = made.runs.loc[made.runs["estimator"] == "slow", "run_key"]
    made.runs.loc[made.runs["estimator"] == "slow", "seconds"] = np.nan
    for frame in (made.frames.hits, made.frames.traces):
        frame.loc[frame["run_key"].isin(keys), "seconds"] = np.inf
    made.frames = replace(made.frames, runs=made.runs[made.runs["estimator"].isin(names)])
    return made


TOLD = """
    return ["ecdf", "converge"].map((figure) => {
      const root = document.querySelector(`#${figure}`), part = (of) => root.querySelector(of);
      const unit = part('[data-key="unit"]');
      unit.value = "seconds";
      unit.dispatchEvent(new Event("change"));
      const about = part('[data-key="about"]').textContent, empty = part(".empty")?.textContent;
      return [zobench[figure].map((s) => s.name), about, empty ?? ""];
    });"""


def test_estimators_without_seconds_are_left_out_of_that_axis_and_named(browser):
    said = "Seconds were not measured of slow."
    assert browser.outcome(page(untimed("fast", "slow")), TOLD) == [[["fast"], said, ""]] * 2
    assert browser.outcome(page(untimed("slow")), TOLD) == [[[], said, said]] * 2
