"""The page, Markdown and CSV of every kind of result, also of hostile ones."""

import csv
import io
import json
import math
import re
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from analysis_tools import results
from report_tools import Page, of_frames, source, two_estimators

from zobench.analysis import words
from zobench.analysis.rank_tests import over_problems, per_target, rank_tests, score_matrix
from zobench.analysis.runlengths import at_targets, run_table
from zobench.analysis.speedup import speedup
from zobench.analysis.targets import final_targets
from zobench.analysis.verdict import CLAIMS
from zobench.report import figures, tables
from zobench.report.csvtext import csv_text
from zobench.report.html import page
from zobench.report.markdown import escaped, markdown
from zobench.report.ranks import NO_TEST, by_target, over_all
from zobench.report.source import Source

HOSTILE = [
    '</script><script>window.hacked = 1</script>', "<img src=x onerror='window.hacked=1'>",
    '" onmouseover="window.hacked=1', "'); window.hacked=1; ('", "{{ 7 * 7 }}", "<!-- ", "& &lt; ",
    "=HYPERLINK(1)", "+1+1", "-2-2", "@SUM(1)", "| a | b |\n\n# head", "[x](javascript:1)", "`x`",
    "\u202egnp.exe", "名前 é",
]  # fmt: skip
NO_RUNS = {"status": "skipped", "queries": 0, "seconds": 0.0}
FAILED = {"status": "failed", "reason": "it broke", "queries": 7, "final_score": math.nan,
          "best_score": math.nan}  # fmt: skip


def empty() -> Source:
    runs, hits, problems = results([("p", "a", 0, [], {})])
    return of_frames(runs[:0], hits[:0], problems[:0])


def odd() -> Source:
    """Scores that are infinite, unknown, negative, zero and huge."""
    values = [math.inf, -math.inf, math.nan, -5.0, 0.0, 1e300, sys.float_info.max]
    runs = [("p", n, i, [5], {"final_score": v, "best_score": v, "peak_memory": math.nan,
             "seconds": math.nan, "estimator_seconds": math.nan})
            for n in "ab" for i, v in enumerate(values)]  # fmt: skip
    return source(runs)


def unbuilt() -> Source:
    """All runs failed before the problem was there: its dimension is unknown."""
    made = source([("p", n, i, [], FAILED | {"queries": 0}) for n in "ab" for i in range(3)])
    made.problems["dimension"] = np.nan
    made.runs["dimension"] = np.nan
    return made


def huge() -> Source:
    """What np.nan_to_num makes of inf, and the largest of the six-digit numbers below it."""
    ends = {"final_score": sys.float_info.max, "best_score": -sys.float_info.max}
    return source([("p", n, i, [5], ends) for n in "ab" for i in range(5)])


CASES = {
    "empty": empty,
    "usual": two_estimators,
    "one run": lambda: source([("p", "a", 0, [5], {})]),
    "one run each": lambda: source([("p", n, 0, [5], {}) for n in "ab"]),
    "all failed": lambda: source([("p", n, i, [], FAILED) for n in "ab" for i in range(3)]),
    "all skipped": lambda: source(
        [("p", "a", i, [], NO_RUNS | {"reason": "no"}) for i in range(2)]
    ),
    "all reached": lambda: source([("p", n, i, [1, 2, 3], {}) for n in "abc" for i in range(5)]),
    "partial": lambda: source([("p", "a", 0, [5], {}), ("q", "b", 0, [], {})]),
    "odd numbers": odd,
    "huge numbers": huge,
    "nothing built": unbuilt,
}


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return CASES[request.param]()


def test_every_kind_of_result_makes_a_sound_page(case):
    html = page(case)
    seen = Page(html)
    ids = [facts["id"] for _, facts in seen.found if "id" in facts]
    assert len(ids) == len(set(ids))
    for _, facts in seen.found:
        for reference in (facts.get("aria-labelledby"), (facts.get("href") or "")[1:]):
            if reference and not (facts.get("href") or "#").startswith("data:"):
                assert reference in ids
    for heading in (
        "Verdict",
        "Figures",
        "Tests of ranks",
        "Results",
        "Failures and skips",
        "Every run",
        "Problems and targets",
        "How it was made",
        "Settings",
        "Environment",
    ):
        assert heading in seen.text  # fmt: skip
    for line in case.lines()[1:] if tables.ranking(case) else case.lines():
        assert " ".join(line.split()) in seen.text
    assert seen.text.count("How to read this") == 8
    assert not re.search(r"\b(nan|NaN|inf|undefined)\b", seen.text)


def test_every_kind_of_result_makes_markdown_and_csv(case):
    text = markdown(case)
    assert text.startswith("# ")
    assert "## Verdict" in text
    assert not re.search(r"\b(nan|inf)\b", text)
    for frame in figures.frames(case).values():
        rows = frame.itertuples(index=False, name=None)
        read = list(csv.reader(io.StringIO(csv_text(frame.columns, rows), newline="")))
        assert len(read) == len(frame) + bool(len(frame.columns)) or not len(frame.columns)


def test_the_page_asks_nothing_of_a_network():
    html = page(two_estimators())
    seen = Page(html)
    for _, facts in seen.found:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            assert (facts.get(name) or "#")[0] == "#" or facts[name] == "data:,"
    used = set(re.findall(r"https?://[^\s\"'<>)]+", html))
    assert used == {"http://www.w3.org/2000/svg"}  # a name, not an address
    (policy,) = [f["content"] for f in seen.all("meta") if "http-equiv" in f]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_shows_the_numbers_of_the_analysis():
    made = two_estimators()
    text = Page(page(made)).text
    row = made.summary.iloc[0]
    assert f"{row['final_successes']}/{row['runs']}" in text
    assert f"{round(row['final_queries']):,}" in text
    assert f"{round(row['final_queries_low']):,} to {round(row['final_queries_high']):,}" in text
    for target in ("10.0", "1.00", "0.100"):
        assert target in text
    assert "zobench compare a b" in text
    assert "A chip" in text
    assert "given by the user" in text


def test_speed_ups_have_their_interval():
    hits = lambda f: [f * q for q in (10, 20, 30)]  # noqa: E731
    runs = [("p", n, i, [h + i for h in hits(f)], {})
            for n, f in (("a", 1), ("b", 3)) for i in range(8)]  # fmt: skip
    made = source(runs)
    table = run_table(made.runs, made.frames.hits, made.problems)
    level = 1 - 0.05 / CLAIMS  # all that is said of two estimators holds together at 95 %
    expected = speedup(at_targets(table, final_targets(made.problems)), "a", "b", level)
    (row,) = tables.pairs(made)
    assert (row["value"], row["low"], row["high"]) == (expected.ratio, expected.low, expected.high)
    assert row["shown"] == "sooner"
    assert f"{expected.ratio:.2f}×" in Page(page(made)).text


def test_failures_and_skips_are_listed_with_reasons():
    made = source([("p", "a", 0, [], FAILED), ("p", "a", 1, [], FAILED), ("p", "b", 0, [5], {}),
                   ("q", "b", 0, [], NO_RUNS | {"reason": "needs matrix blocks"})])  # fmt: skip
    assert [(t["status"], t["count"], t["reason"]) for t in tables.troubles(made)] == [
        ("failed", 2, "it broke"), ("skipped", 1, "needs matrix blocks"),
    ]  # fmt: skip
    for text in (Page(page(made)).text, markdown(made)):
        assert "it broke" in text
        assert "needs matrix blocks" in text


def test_reasons_that_differ_in_numbers_are_one_of_an_estimator():
    needs = [(name, r, NO_RUNS | {"reason": f"needs {n + r} queries"})
             for name, n in (("a", 2), ("b", 16)) for r in range(2)]  # fmt: skip
    made = source([("p", name, r, [], facts) for name, r, facts in needs])
    assert [(t["estimator"], t["count"], t["reason"]) for t in tables.troubles(made)] == [
        ("a", 2, "needs 2 queries (numbers differ)"),
        ("b", 2, "needs 16 queries (numbers differ)"),
    ]


def test_an_easier_target_is_named_where_none_reaches_the_final_one():
    rows = tables.results(source([("p", n, i, [5, 9], {}) for n in "ab" for i in range(4)]))
    assert {row["target"].text for row in rows} == {"1.00"}
    assert {row["target"].note for row in rows} == {"final 0.100: none"}
    assert {row["reached"].text for row in rows} == {"4/4"}


@cache
def hostile(text: str) -> Source:
    """The text everywhere that a user, a suite or an error message may put one."""
    facts = {"status": "failed", "reason": text}
    runs = [(text, n, i, [5], facts if i else {}) for n in (text, f"{text} 2") for i in range(3)]
    made = source(runs, command=text, groups={text: text})
    made.runs["settings"] = json.dumps({text: text})
    made.runs["settings_from"] = json.dumps({text: text})
    made.runs["scores"] = json.dumps({text: 0.5})
    made.runs["environment"] = text
    made.runs["suite"] = text
    named = made.problems.assign(suite=text, suite_version=text, objective=text, how=text)
    made.frames = replace(made.frames, problems=named)
    made.environments = {text: {text: text, "cpu": text, "packages": {text: text}}}
    return made


@cache
def usual_page() -> Page:
    return Page(page(hostile("plain")))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    seen, usual = Page(page(hostile(text))), usual_page()
    shown = " ".join(text.split())
    assert seen.text.count(shown) >= 15
    names = [name for name, _ in seen.found]
    assert names == [name for name, _ in usual.found]
    assert [sorted(facts) for _, facts in seen.found] == [sorted(f) for _, f in usual.found]
    assert not [k for _, facts in seen.found for k in facts if k.startswith("on")]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_markdown_and_csv(text):
    said, usual = (
        re.sub(r"```sh\n.*?```", "", markdown(hostile(t)), flags=re.S)  # a fence shows all as is
        for t in (text, "plain")
    )
    assert not re.search(r"(?<!\\)<", said)
    assert not re.search(r"(?<!\\)\]\(", said)
    bars = [[len(re.findall(r"(?<!\\)\|", line)) for line in t.splitlines()] for t in (said, usual)]
    assert bars[0] == bars[1]
    for frame in figures.frames(hostile(text)).values():
        table = csv_text(frame.columns, frame.itertuples(index=False, name=None))
        for row in csv.reader(io.StringIO(table, newline="")):
            for cell in row:
                number = re.fullmatch(r"[+-]?([\d.]+(e[+-]?\d+)?|inf)", cell)
                assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (["failed", "failed"] * 2, "All 4 runs failed"),
        (["failed", "diverged", "skipped"], "Both runs failed or diverged"),
        (["ok", "timeout", "ok", "oom"], "2 of 4 runs ran out of time or ran out of memory, of b"),
        (["skipped", "skipped"], "Both runs were skipped"),
        (["diverged"], "The only run diverged"),
        (["ok", "target", "skipped"], ""),
    ],
)
def test_a_verdict_begins_with_the_runs_in_trouble(statuses, said):
    made = source([("p", "ab"[i % 2], i, [], {"status": s}) for i, s in enumerate(statuses)])
    assert words.trouble(made.runs) == said
    verdict = Page(page(made)).text.split("Verdict")[2]
    lines = markdown(made).split("## Verdict")[1].split("\n\n")
    assert verdict.strip().startswith(f"{said}: see Failures and skips") == bool(said)
    assert (lines[1] == f"**{said}: see Failures and skips.**") == bool(said)


def test_many_names_in_trouble_are_counted():
    runs = [("p", f"e{i}", 0, [], {"status": "failed"} if i else {}) for i in range(6)]
    assert words.trouble(source(runs).runs) == "5 of 6 runs failed, of 5 estimators"


def test_commands_in_a_verdict_are_set_as_code():
    made = two_estimators()
    made.notes = ["Not tuned: `zobench tune` searches <settings>, not `x`."]
    said = "Not tuned: <code>zobench tune</code> searches &lt;settings&gt;, not `x`."
    assert said in page(made)


def test_scores_have_three_digits():
    runs = [("p", n, r, [9 + r], {}) for n in "abc" for r in range(5)]
    text = Page(page(source(runs, targets=(0.1,)))).text
    assert re.search(r"Place Estimator Score .* \d\.\d{3} \d\.\d{3} to \d\.\d{3} ", text)


@pytest.mark.parametrize("name", CASES)
def test_every_table_has_a_name(name):
    for table in re.findall(r"<table.*?>\s*<\w+", page(CASES[name]()).split("<script")[0]):
        assert "aria-label=" in table or table.endswith("<caption")


def test_markdown_links_and_mentions_nobody():
    said = escaped("www.x.org _WWW.x.org https://x.org @me a@b.co #12")
    for part in ("www.", "WWW.", "://", "@m", "@b", "#1"):
        assert part not in said
    assert said.replace("&#8203;", "").replace("\\", "") == (
        "www.x.org _WWW.x.org https://x.org @me a@b.co #12"
    )


def test_markdown_has_no_signs_that_steer_a_terminal():
    steering = "a\x1b[2Jb\x07\u202ec"
    assert escaped(steering) == "a\ufffd\\[2Jb\ufffd\ufffdc"
    made = source([("p", "a", 0, [5], {"status": "failed", "reason": steering})], command=steering)
    assert all(c.isprintable() or c == "\n" for c in markdown(made))


def test_escaped_markdown_is_one_line():
    assert escaped("a\n# b | <i>") == r"a \# b \| \<i\>"
    assert escaped("0.5") == "0.5"
    assert escaped("1. x") == r"\1. x"


def test_many_estimators_each_have_their_pair_and_the_text_stays_short():
    runs = [(f"p{p}", f"e{e:02d}", r, [2 + e + r % 3, 9 + 2 * e + r % 4], {})
            for p in range(4) for e in range(16) for r in range(8)]  # fmt: skip
    made = source(runs, targets=(1.0, 0.1))
    assert made.verdict is not None
    assert [p.b for p in made.verdict.pairs] == [f"e{e:02d}" for e in range(1, 16)]
    assert made.verdict.pairs[-1].queries.shown == 1
    assert made.ranked == [f"e{e:02d}" for e in range(16)]
    html = page(made)
    said = re.sub(r"<details>.*?</details>", "", html[: html.index('<h2 id="figures-title')])
    assert max(len(p) for p in re.findall(r"<p>(.*?)</p>", said, re.DOTALL)) < 1000
    assert " ".join(made.lines()[1].split()) in Page(html).text


def ranked_alike(problems=8, repetitions=5):
    """Of two dimensions: `a` is before `b`, and that before `c`, on every problem."""
    runs = [
        (f"p{p}", n, r, [1 + 2 * k + r % 2, 20 * (k + 1) + r], {"peak_memory": 1e6 * (3 - k)})
        for p in range(problems)
        for k, n in enumerate("abc")
        for r in range(repetitions)
    ]
    made = source(runs, targets=(1.0, 0.1))
    made.problems.loc[made.problems["problem"].isin(["p0", "p1", "p2"]), "dimension"] = 5
    return made


def test_tests_of_ranks_are_those_of_the_analysis():
    made = ranked_alike()
    whole, five, ten = over_all(made)
    table = run_table(made.runs, made.frames.hits, made.problems)
    scores = score_matrix(table, ["a", "b", "c"])
    found = rank_tests(scores, "b")
    assert (whole["name"], five["name"], ten["name"]) == ("all dimensions", "5", "10")
    assert (whole["problems"], five["problems"], ten["problems"]) == (8, 3, 5)
    assert whole["names"] == ["a", "b", "c"]
    assert whole["ranks"] == (1, 2, 3) == found.ranks
    assert whole["difference"] == found.difference
    assert (whole["f"], whole["p"]) == (found.friedman.f, found.friedman.p)
    assert whole["holm"][1] == pytest.approx(
        [found.holm["a"], np.nan, found.holm["c"]], nan_ok=True
    )
    pair = over_problems(scores, "c", "b")
    assert (whole["wilcoxon"][1][2], whole["effect"][1][2]) == (pair.p, -1)
    assert (whole["wilcoxon"][2][1], whole["effect"][2][1]) == (pair.p, 1)
    (_, other, rows), (a, last, _) = by_target(made, made.frames.traces)
    assert (a, other, last) == ("a", "b", "c")
    assert len(rows) == 16
    expected = per_target(table, "a", "b", made.frames.traces)
    assert rows["p"].tolist() == expected["p"].tolist()
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page(made), re.DOTALL)[0])
    assert data["tests"]["pairs"][0]["rows"][0][4] == pytest.approx(expected["p"].iloc[0], rel=0.01)
    front = [row[1] for row in data["pareto"]["rows"] if row[0] == 0 and row[4]]
    assert front == [0, 1, 2]  # who is sooner needs more memory: nobody is beaten
    written = figures.frames(made)
    assert {"pareto", "mean-ranks", "rank-tests", "rank-sum"} <= set(written)
    curves = {"data-profiles", "more-wild", "restarts", "performance-profiles"}
    assert curves <= set(written)
    for name in curves:
        keys = [c for c in ("dimension", "unit", "estimator", "target_index") if c in written[name]]
        assert all(p.is_monotonic_increasing for _, p in written[name].groupby(keys)["share"])
    assert set(written["performance-profiles"]["unit"]) == {"queries", "seconds", "memory"}
    best = written["performance-profiles"].query("estimator == reference")
    assert (best["share"] == (best["r"] >= 1 - 1e-9)).all()
    assert len(written["rank-tests"]) == 3 * 6
    assert len(written["rank-sum"]) == 32


def test_performance_profiles_are_against_frozen_runs_where_there_are_any():
    made = ranked_alike()
    table = run_table(made.runs, made.frames.hits, made.problems)
    final = at_targets(table, final_targets(made.problems))
    made.frozen = final[final["estimator"] == "b"].assign(estimator="old")
    written = figures.frames(made)["performance-profiles"].groupby("unit")
    assert set(written.get_group("queries")["reference"]) == {"old (frozen)"}
    assert set(written.get_group("seconds")["reference"]) == {made.ranked[0]}
    mine = written.get_group("queries").query("estimator == 'b'")
    assert (mine["share"] == (mine["r"] >= 1 - 1e-9)).all()  # b against its own runs


@pytest.mark.parametrize(("problems", "names"), [(1, "ab"), (3, "a")])
def test_where_ranks_cannot_be_tested_it_is_said(problems, names):
    runs = [(f"p{p}", n, r, [3, 5 + r], {}) for p in range(problems) for n in names
            for r in range(3)]  # fmt: skip
    made = source(runs, targets=(1.0, 0.1))
    assert over_all(made)[0]["why"] == NO_TEST
    assert NO_TEST in page(made)


def test_ranks_are_of_the_largest_table():
    """c ran on one problem of three: a and b are ranked on all three, and c is named."""
    runs = [(f"p{p}", n, r, [3 + p, 5 + r + ord(n)], {}) for p in range(3) for n in "abc"
            for r in range(3) if n != "c" or p == 0]  # fmt: skip
    told = over_all(source(runs, targets=(1.0, 0.1)))[0]
    assert (told["names"], told["problems"], told["left_out"]) == (["a", "b"], 3, ["c"])
