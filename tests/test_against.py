"""Stored results beside new ones, and a check that nothing got slower."""

import sqlite3
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from analysis_tools import results
from harness_tools import without_checksums
from interchange_tools import coco_folder

from zobench import compare
from zobench.analysis.ranksum import rank_sum
from zobench.analysis.runlengths import run_tables
from zobench.analysis.slower import EACH, P, _judged, slowdowns
from zobench.cli import status_of
from zobench.display.slower import slower_lines
from zobench.errors import BadInput

TINY = """\
name = "tiny"
version = "{version}"
budget = {budget}
instances = "1-{instances}"
scored = "best"
[[problem]]
id = "f{{function}}"
objective = "bbob"
settings = {{ dim = 2 }}
expand = {{ function = [1, 2] }}
targets = [{targets}]
"""
# Random search that may wait before every step.
MINE = """
import time
from zobench.estimators.random_search import RandomSearch
from zobench.registry import estimators

class Mine(RandomSearch):
    def step(self, evaluate):
        {before}
        super().step(evaluate)

@estimators.register("mine", paper="a test")
def mine() -> Mine:
    return Mine(1.0, 4)
"""


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """Write the suite of a test; what is to be different may be given."""
    monkeypatch.chdir(tmp_path)

    def write(version="1", budget=60, instances=6, targets="1e4, 1.0"):
        (tmp_path / "tiny.toml").write_text(
            TINY.format(version=version, budget=budget, instances=instances, targets=targets)
        )

    write()
    return write


def cli(*words: str) -> int:
    return status_of([*words, "-s", "tiny.toml", "-j", "1"])


def table(lengths, seconds=1e-3, cut=100, runs=8, problems=2):
    """Results of "new" and "old": their typical queries to the target, a run each a bit longer."""
    rng, plan = np.random.default_rng(0), []
    for name, length in lengths.items():
        for p in range(problems):
            for r in range(runs):
                q = round(length * rng.uniform(0.9, 1.1))
                spent = (min(q, cut)) * (seconds[name] if isinstance(seconds, dict) else seconds)
                spent *= rng.uniform(0.95, 1.05)
                plan.append((f"p{p}", name, r, [q] if q <= cut else [], {"seconds": spent}))
    return results(plan, targets=(1.0,), budget=cut)


def of_frames(runs, hits, problems, *how):
    return slowdowns(runs, run_tables(runs, hits, problems), *how)


def test_slower_in_queries_is_seen_by_factor_and_p_together():
    found = {s.measure: s for s in of_frames(*table({"old": 20, "new": 40}), "new", "old", 1.2)}
    queries = found["queries"]
    assert queries.slower
    assert queries.ratio == pytest.approx(2, rel=0.1)
    assert queries.p < P
    assert not found["time per query"].slower
    # the other way round it is faster; a larger factor is not exceeded
    assert not any(
        s.slower for s in of_frames(*table({"old": 40, "new": 20}), "new", "old", 1.2)[:1]
    )
    assert not of_frames(*table({"old": 20, "new": 40}), "new", "old", 2.5)[0].slower


def test_neither_a_sure_small_change_nor_a_large_chance_is_slower():
    small = of_frames(*table({"old": 500, "new": 560}, cut=999, runs=30), "new", "old", 1.2)[0]
    assert (small.p < P, small.slower) == (True, False)
    few = of_frames(*table({"old": 20, "new": 90}, runs=4, problems=1), "new", "old", 1.2)[0]
    assert (few.ratio > 4, few.slower, few.too_few, few.least) == (True, False, True, 2 / 70)
    assert "cannot tell, which fails" in next(slower_lines([few]))
    more = of_frames(*table({"old": 20, "new": 90}, runs=4, problems=3), "new", "old", 1.2)[0]
    assert (more.slower, more.too_few) == (True, False)


def test_the_p_that_is_told_is_the_p_that_counts():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        new, old = rng.normal(150, 30, 10), rng.normal(100, 30, 10).clip(10)
        runs = [("f", n, r, [int(q)], {}) for n, x in (("new", new), ("old", old))
                for r, q in enumerate(x)]  # fmt: skip
        frames = results(runs, targets=(1.0,), budget=1000)
        found += of_frames(*frames, "new", "old", 1.2, ["queries"])
    sure = [s for s in found if s.ratio > 1.2 and s.p < EACH]
    nearly = [s for s in found if s.ratio > 1.2 and EACH <= s.p < P]
    assert sure
    assert nearly
    assert all(s.slower for s in sure)
    assert not any(s.slower for s in nearly)
    assert f"p < {EACH:g} in all problems" in next(slower_lines(nearly))


def test_failures_count_as_slow_and_time_a_query_by_medians():
    failed = of_frames(*table({"old": 20, "new": 900}), "new", "old", 1.2)[0]
    assert failed.slower
    assert failed.ratio > 30  # 8 runs of 100 queries without a success, against 20
    clock = of_frames(*table({"old": 20, "new": 20}, {"old": 1e-3, "new": 3e-3}), "new", "old", 1.2)
    assert (clock[0].slower, clock[2].slower) == (False, True)
    assert clock[2].ratio == pytest.approx(3, rel=0.1)
    assert clock[2].worst[0] in ("p0", "p1")


@pytest.mark.parametrize(("runs", "problems"), [(12, 1), (5, 4)])
def test_runs_that_end_early_are_not_fast(runs, problems):
    """All of the new runs diverge on the first problem, after two queries."""
    frames = table({"old": 80, "new": 80}, cut=300, runs=runs, problems=problems)
    found, hits, asked = frames
    dead = found["estimator"] == "new"
    keys = found.loc[dead, "run_key"]
    found.loc[dead, ["status", "queries", "seconds"]] = ["diverged", 2, 2e-3]
    hits = hits[~hits["run_key"].isin(keys)]
    for judged in of_frames(found, hits, asked, "new", "old", 1.2, ["queries", "seconds"]):
        assert judged.slower
        assert judged.ratio > runs / 2


def test_one_problem_that_got_much_slower_is_not_lost_among_others():
    runs, hits, problems = table({"old": 20, "new": 20}, runs=10, problems=24)
    mine = runs.loc[(runs["estimator"] == "new") & (runs["problem"] == "p3"), "run_key"]
    late = hits["run_key"].isin(mine)
    hits = hits.assign(queries=hits["queries"].where(~late, hits["queries"] * 4.5))
    found = of_frames(runs, hits, problems, "new", "old", 1.2)[0]
    assert (found.slower, found.alone, found.worst[0]) == (True, ("p3",), "p3")
    assert found.ratio < 1.2
    assert "by themselves p3" in " ".join(slower_lines([found]))
    few = of_frames(*table({"old": 20, "new": 20}, runs=10, problems=24), "new", "old", 1.2)[0]
    assert (few.slower, few.alone) == (False, ())


def test_a_single_stray_run_is_not_slower_where_the_others_are_sooner():
    plan = [("p", "old", r, [20 + r], {}) for r in range(20)]
    plan += [("p", "new", r, [5 if r else 2000], {}) for r in range(20)]
    found = of_frames(*results(plan, targets=(1.0,), budget=2000), "new", "old", 1.2)[0]
    assert found.ratio > 3
    assert found.p < P / 2
    assert (found.slower, found.alone) == (False, ())


def test_runs_too_short_to_time_are_judged_by_queries_alone():
    times = {"old": 1e-5, "new": 1e-4}  # runs of 0.2 and 2 ms
    found = of_frames(*table({"old": 20, "new": 20}, times), "new", "old", 1.2)
    assert [s.problems for s in found] == [2, 0, 0]
    assert "too short" in "".join(slower_lines(found))
    long = of_frames(*table({"old": 20, "new": 20}, {"old": 1e-5, "new": 1e-2}), "new", "old", 1.2)
    assert [s.problems for s in long] == [2, 2, 2]  # one side that lasts is enough
    assert long[2].slower


@pytest.mark.parametrize("count", [1, 5])
def test_a_problem_by_itself_is_judged_at_its_share_of_the_level(count):
    """The level of all problems by themselves together is one problem's, however many they are."""
    for n in range(6, 16):  # where the p of a clear difference passes from above to below
        new, old = np.arange(n) + 100.0, np.arange(n) + 0.5
        new[0] = 0.0  # a stray, so that p falls in small steps
        equal = np.zeros(n), np.zeros(n)
        samples = {"bad": (new, old)} | {f"p{i}": equal for i in range(1, count)}
        ratios = {name: 3.0 if name == "bad" else 0.1 for name in samples}
        found = _judged("new", "old", "queries", ratios, samples, 1.2)
        assert (found.alone == ("bad",)) == (rank_sum([(new, old)]).p < EACH / count)


def test_queries_alone_can_be_asked_for():
    frames = table({"old": 20, "new": 20}, {"old": 1e-3, "new": 3e-3})
    assert of_frames(*frames, "new", "old", 1.2)[2].slower
    found = of_frames(*frames, "new", "old", 1.2, ["queries"])
    assert [(s.measure, s.slower) for s in found] == [("queries", False)]


def test_what_was_not_measured_is_not_judged():
    runs, hits, problems = table({"old": 20, "new": 40})
    old = runs["estimator"] == "old"
    unknown = runs.assign(seconds=runs["seconds"].where(~old), queries=runs["queries"])
    hits = hits.assign(seconds=np.where(hits["run_key"].isin(runs["run_key"][old]), np.inf, 1.0))
    found = of_frames(unknown, hits, problems, "new", "old", 1.2)
    assert [s.problems for s in found] == [2, 0, 0]
    assert [s.slower for s in found] == [True, False, False]


def test_the_same_method_is_rarely_called_slower():
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(3000):
        samples = {p: (rng.exponential(size=8), rng.exponential(size=8)) for p in "ab"}
        alarms += _judged("new", "old", "queries", {"a": 2.0, "b": 2.0}, samples, 1.0).slower
    assert 0 < alarms <= 9  # half of 0.2 % is 3


def test_runs_too_few_to_tell_fail_the_command(suite, tmp_path, capsys):
    suite(instances=2)
    (tmp_path / "mine.py").write_text(MINE.format(before="pass"))
    assert cli("compare", "mine.py:mine", "--out", "old") == 0
    again = ("mine.py:mine", "--out", "new", "--against", "old", "--fail-if-slower", "1.2")
    again = (*again, "--queries-only")  # seconds depend on what else the machine does
    capsys.readouterr()
    assert cli("compare", *again) == 1
    assert "Slower than stored runs: cannot tell, which fails as well" in capsys.readouterr().out


def test_a_regression_fails_the_command_and_says_why(suite, tmp_path, capsys):
    suite(instances=8)
    for name, before in (("before", "pass"), ("after", "time.sleep(0.02)")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(MINE.format(before=before))
    assert cli("compare", "before/mine.py:mine", "--out", "old") == 0
    capsys.readouterr()
    again = ("after/mine.py:mine", "--out", "new", "--against", "old", "--fail-if-slower", "1.2")
    assert cli("compare", *again) == 1
    out = capsys.readouterr().out
    assert "Slower than stored runs: 2 of 3 measures (more than 1.2x and p < 0.001 in" in out
    assert "after/mine.py:mine against before/mine.py:mine" in out
    rows = [line.split() for line in out.splitlines() if line.startswith("  after/mine.py:mine  ")]
    why = {row[1]: " ".join(row) for row in rows[-3:]}
    assert "SLOWER (2 problems; most on f" in why["time"]
    assert "no (2 problems)" in why["queries"]
    assert cli("compare", *again, "--queries-only") == 0
    assert "Slower than stored runs: nothing" in capsys.readouterr().out


def test_the_same_runs_are_not_slower(suite, capsys):
    assert cli("compare", "random-search", "--out", "old") == 0
    found = compare(["random-search"], "tiny.toml", jobs=1, out="new", against=["old"],
                    fail_if_slower=1000.0, progress=False)  # fmt: skip
    queries = found.slowdowns[0]
    assert (queries.ratio, queries.p, found.slower) == (1, 1, False)
    assert found.results.names == ["random-search", "random-search (stored)"]
    pairs = found.details.pairs[0].queries
    assert pairs.ratio == 1
    seeds = found.results.runs.groupby(["problem", "repetition"])["seed"].nunique()
    assert seeds.max() == 1  # so that runs of both can be paired
    # beside itself, a folder shows its other estimators
    assert cli("compare", "random-search:n=4", "--out", "old", "--against", "old") == 0
    assert "random-search:n=4 against random-search" in capsys.readouterr().out


def test_published_data_stand_in_a_comparison(suite, tmp_path, capsys):
    rows = [(1, 9e4), (3, 0.5), (50, 1e-9)]
    coco_folder(tmp_path / "data", [(i, 50, rows) for i in range(1, 7)], "BIPOP <b>")
    coco_folder(tmp_path / "data" / "2", [(i, 50, rows) for i in range(1, 7)], "+HYPERLINK(1)")
    status = status_of(["import", "data", "-s", "tiny.toml", "-o", "published"])
    assert status == 0
    out = capsys.readouterr().out
    assert "read 12 runs of 2 algorithms (+HYPERLINK(1), BIPOP <b>) on 1 problem of" in out
    assert cli("compare", "random-search", "--out", "new", "--against", "published") == 0
    out = capsys.readouterr().out
    assert "BIPOP <b>" in out
    row = next(line.split() for line in out.splitlines() if line.startswith("  BIPOP"))
    assert row[2:5] == ["6/6", "3", "-"]  # no interval: all alike
    for name in ("runs", "hits", "summary", "speedups"):
        text = (tmp_path / "new" / f"{name}.csv").read_text()
        assert "'+HYPERLINK" in text
        assert ",+HYPERLINK" not in text
    page = (tmp_path / "new" / "report.html").read_text()
    assert "BIPOP" in page
    assert "BIPOP <b>" not in page.replace("BIPOP \\u003cb", "")
    assert "Stored in published, not run by this command: +HYPERLINK(1), BIPOP" in unescape(page)
    assert "--against published" in page
    assert page.count('<th scope="row">imported</th>') == 1  # where it came from
    assert status_of(["report", "published"]) == 0
    page = unescape((tmp_path / "published" / "report.html").read_text())
    assert "zobench import data --suite tiny --out published" in page
    assert "Imported, not run by zobench: " in page
    capsys.readouterr()
    assert cli("compare", "random-search", "--out", "published") == 2
    assert "published holds imported data; make runs elsewhere" in capsys.readouterr().err


def test_stored_runs_are_cut_at_the_budget_here(suite):
    suite(budget=200)
    assert cli("run", "random-search", "--out", "long") == 0
    suite(budget=20)
    found = compare(
        ["random-search:n=4"], "tiny.toml", jobs=1, out="new", against=["long"], progress=False
    )
    stored = found.runs[found.runs["estimator"] == "random-search"]
    assert stored["queries"].max() <= 20
    hits = found.hits.merge(stored[["run_key"]], on="run_key")
    assert hits["queries"].max() <= 20
    assert len(hits)
    traces = found.traces.merge(stored[["run_key", "best_score"]], on="run_key")
    assert traces["queries"].max() <= 20
    lowest = traces.groupby("run_key")["best"].min()
    assert lowest.to_dict() == dict(zip(stored["run_key"], stored["best_score"]))


def test_what_cannot_be_compared_is_said_before_any_run(suite, capsys):
    assert cli("run", "random-search", "--out", "old") == 0

    def said(*words):
        capsys.readouterr()
        assert cli("compare", "random-search:n=4", "--out", "new", *words) == 2
        return capsys.readouterr().err

    assert "needs --against RESULTS" in said("--fail-if-slower", "1.2")
    assert "goes with --fail-if-slower" in said("--against", "old", "--queries-only")
    assert "a factor from 1, such as 1.2, not 0.5" in said(
        "--against", "old", "--fail-if-slower", "0.5"
    )
    assert "no results in 'none'" in said("--against", "none")
    itself = ("--out", "old", "--against", "old", "--fail-if-slower", "2")
    assert "cannot be slower than itself" in said(*itself)
    suite(version="2")
    assert "version 1, not of 'tiny' version 2" in said("--against", "old")
    assert not Path("new").exists()
    suite(targets="5e3, 1.0")
    assert "no other runs on these problems with the same targets" in said("--against", "old")


def test_names_that_are_not_stored(suite, capsys):
    assert cli("run", "random-search", "random-search:n=4", "--out", "old", "-r", "1") == 0
    capsys.readouterr()
    arguments = ("--out", "new", "--against", "old", "--fail-if-slower", "2")
    assert cli("compare", "random-search:n=2", *arguments) == 2
    err = capsys.readouterr().err
    assert "no stored runs of 'random-search:n=2'; stored: random-search, random-search:n=4" in err


def test_a_failed_stored_run_does_not_fail_the_command(suite, tmp_path):
    assert cli("run", "random-search", "--out", "old", "-r", "1") == 0
    with sqlite3.connect(tmp_path / "old" / "results.sqlite") as db:
        db.execute("UPDATE runs SET status = 'failed'")
        without_checksums(db)
    assert cli("compare", "random-search:n=4", "--out", "new", "-r", "1", "--against", "old") == 0
    with pytest.raises(BadInput, match="no results in"):
        compare(["random-search:n=4"], "tiny.toml", out="new", against=["older"], progress=False)
