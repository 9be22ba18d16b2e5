"""What tuning finds with fewer trials: the numbers, the records they come from, and the pages."""

import itertools
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from report_tools import browser_in, two_estimators

from zobench.analysis.best_of import best_of
from zobench.errors import BadInput
from zobench.harness.baseline import read_baseline
from zobench.harness.plan import plan
from zobench.harness.suite_file import load
from zobench.report.board import board, read_boards
from zobench.report.figures import frames
from zobench.report.html import page
from zobench.results.tuning_curves import TuningCurve, curves_of_rows, tuning_curves

SHIPPED = sorted((Path(__file__).parents[1] / "baselines").glob("*/*.toml"))


def test_the_best_of_some_trials_is_that_of_all_their_subsets():
    """The preferred trial need not be the cheapest: costs of early rounds are of short runs."""
    costs = [2.0, 1.0, 4.0, 3.0, 7.0, 5.0]
    for found in best_of(costs):
        subsets = itertools.combinations(range(len(costs)), found.trials)
        chosen = np.array([costs[min(subset)] for subset in subsets])
        assert found.mean == pytest.approx(chosen.mean())
        for limit, share in ((found.low, 0.1), (found.high, 0.9)):
            assert (chosen < limit).mean() < share <= (chosen <= limit).mean()
    assert [found.trials for found in best_of(costs)] == [1, 2, 4, 6]
    assert best_of([]) == []
    assert [(f.trials, f.mean) for f in best_of([3.0])] == [(1, 3.0)]


def test_a_record_gives_its_trials_in_the_order_of_preference(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "mezo.toml").write_text(
        '[settings.new]\nlr = 0.1\n[record.new]\nfor = "final"\ntried = [\n{ costs = [2.0] },\n'
        "{ costs = [3.0] },\n{ costs = [5.0, 4.0] },\n{ costs = [1.0, 6.0] },\n{ costs = [2.5] }]\n"
        "[settings.old]\nlr = 0.1\n[record.old]\ntried = [{ score = 0.25 }, { score = 0.5 }]\n"
        '[settings.bad]\nlr = 0.1\n[record.bad]\nfor = "final"\ntried = [{}, { score = 1.0 }]\n'
    )
    baseline = read_baseline("t", "mezo", tmp_path)
    assert baseline.costs("new") == ("final", [4.0, 6.0, 2.5, 3.0])  # without the defaults
    assert baseline.costs("old") == ("area", [0.5, 0.75])
    assert baseline.costs("none")[1] == []
    with pytest.raises(BadInput, match=r"mezo\.toml line \d+: a trial lacks its costs"):
        baseline.costs("bad")


def test_settings_for_every_group_hold_where_a_group_has_none(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "mezo.toml").write_text(
        '[settings."*"]\nlr = 0.5\n[settings.own]\nlr = 0.1\n[record."*"]\ntrials = 7\n'
        'for = "final"\ntried = [{ costs = [2.0] }, { costs = [3.0] }]\n[record.own]\ntrials = 3\n'
    )
    baseline = read_baseline("t", "mezo", tmp_path)
    assert [baseline.settings(group)["lr"] for group in ("own", "other", "*")] == [0.1, 0.5, 0.5]
    assert [baseline.trials(group) for group in ("own", "other")] == [3, 7]
    assert [baseline.costs(group) for group in ("own", "other")] == [("area", []), ("final", [3.0])]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: "-".join(path.parts[-2:]))
def test_the_records_that_come_with_zobench_are_read(path):
    record = tomllib.loads(path.read_text()).get("record", {})
    baseline = read_baseline(path.parent.name, path.stem)
    for group, facts in record.items():
        assert len(baseline.costs(group)[1]) == len(facts["tried"]) - ("for" in facts)


def test_runs_with_tuned_settings_have_a_curve():
    suite = load("llm-tiny").pick(["tiny-sentiment", "small-sentiment"])
    names = ["mezo", "lozo:lr=1e-3", "zo-sgd"]
    found = tuning_curves(plan(suite, names, repetitions=1))
    assert [(c.estimator, c.group) for c in found] == [
        ("mezo", "tiny"), ("zo-sgd", "tiny"), ("mezo", "small"), ("zo-sgd", "small"),
    ]  # fmt: skip
    assert {c.goal for c in found} <= {"area", "final"}
    for curve in found:
        assert curve.best[0].trials == 1
        assert curve.best[-1].mean <= curve.best[0].mean
    assert not tuning_curves(plan(suite, names, repetitions=1, baselines=False))


def row(method, **more):
    return {"suite": "llm-tiny", "group": "tiny", "method": method, "track": "tuned",
            "first_order": "False"} | more  # fmt: skip


def test_rows_of_boards_have_curves_and_load_no_file(tmp_path):
    trap = tmp_path / "trap.py"
    trap.write_text("raise SystemExit('executed')\n")
    rows = [row("mezo"), row("mezo"), row("lozo", track="default"), row(f"{trap}:x"), row("gone")]
    rows.append(row("adam-first-order", first_order="True"))
    assert [curve.estimator for curve in curves_of_rows(rows)] == ["mezo"]


def tuned_report():
    made = two_estimators()
    made.tuning = [
        TuningCurve("s", "g", "final", name, best_of(costs))
        for name, costs in (("fast", [2.0, 3.0, 4.0, 4.0]), ("slow", [3.0, 4.0]))
    ]
    return made


def test_a_report_has_the_figure_and_its_numbers():
    html = page(tuned_report())
    assert 'id="tuning"' in html
    assert 'id="tuning"' not in page(two_estimators())
    table = frames(tuned_report())["tuning"]
    assert list(table[table["estimator"] == "fast"]["trials"]) == [1, 2, 4]
    last = table[(table["estimator"] == "fast") & (table["trials"] == 4)]
    assert last[["mean", "low", "high"]].to_numpy().tolist() == [[100.0, 100.0, 100.0]]
    assert "tuning" not in frames(two_estimators())


def test_the_page_of_boards_has_the_figure():
    html = board(read_boards(SHIPPED[0].parents[2] / "leaderboards"))
    assert 'id="tuning"' in html
    assert re.search(r'"suite": ?"llm-tiny", ?"group": ?"tiny", ?"goal"', html)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    return browser_in(tmp_path_factory.mktemp("browser"))


def test_the_figure_is_drawn(browser):
    html = page(tuned_report())
    assert browser.console(html) == []
    told = browser.outcome(html, "return zobench.tuning.map((c) => [c.name, c.points]);")
    assert {name for name, _ in told} == {"fast", "slow"}
    assert dict(told)["slow"] == [
        [1, pytest.approx(10**3.5, rel=1e-3), 1000, 10000],
        [2, 1000, 1000, 1000],
    ]
    boards = board(read_boards(SHIPPED[0].parents[2] / "leaderboards"))
    assert browser.console(boards) == []
    assert 1 < len(browser.outcome(boards, "return zobench.tuning;")) <= 8
