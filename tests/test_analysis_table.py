"""The summary table and the leaderboard rows, on results small enough to check by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from analysis_tools import HIT_COLUMNS, results, summary_of

from zobench.analysis.leaderboard import COLUMNS, leaderboard_rows, targets_hash
from zobench.analysis.runlengths import run_table
from zobench.errors import BadInput

RUNS = [
    *[("f", "a", r, [10, 20 + r], {"peak_memory": 1e6 * (r + 1)}) for r in range(5)],
    ("f", "a", 5, [10], {"status": "failed", "queries": 40, "reason": "boom", "seconds": np.nan}),
    *[("f", "b", r, [50], {"estimator_seconds": 0.02}) for r in range(6)],
    ("g", "a", 0, [30], {}),
    ("g", "a", 1, [], {"final_score": np.nan}),
    *[
        ("g", "b", r, [], {"status": "skipped", "queries": 0, "reason": "needs blocks"})
        for r in range(2)
    ],
    *[("g", "sgd", r, [1, 2], {"first_order": r == 1}) for r in range(2)],
]


def row(problem, estimator, frames=None):
    found = summary_of(*(frames or results(RUNS)), resamples=1000)
    rows = found[(found["problem"] == problem) & (found["estimator"] == estimator)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_counts_and_expected_run_lengths():
    a = row("f", "a")
    assert (a["runs"], a["skipped"], a["coverage"]) == (6, 0, 1)
    assert a["statuses"] == "5 target, 1 failed"
    assert a["reasons"] == "1 failed: boom"
    assert (a["final_target_index"], a["final_target"], a["final_successes"]) == (1, 0.1, 5)
    assert a["final_queries"] == pytest.approx((20 + 21 + 22 + 23 + 24 + 40) / 5)
    assert 10 < a["final_queries_low"] < 30 < a["final_queries_high"]
    assert math.isnan(a["final_seconds"])  # the failed run's seconds are not known
    b = row("f", "b")
    shown = b[["final_successes", "final_queries", "final_queries_high"]]
    assert shown.tolist() == [0, math.inf, math.inf]
    assert b["final_queries_low"] > 100
    assert b["final_seconds"] == math.inf


def test_meters_are_medians():
    a, b = row("f", "a"), row("f", "b")
    assert a["seconds_per_query"] == pytest.approx(1e-3)
    assert a["peak_memory"] == pytest.approx(2.5e6)
    assert math.isnan(a["memory_ratio"])
    assert b["estimator_seconds_per_query"] == pytest.approx(0.02 / 100)
    assert row("g", "a")["final_score"] == 0.5  # of the run that has one


def test_the_hardest_target_is_the_rankeds_own():
    """The first-order reference reached all targets of g, the ranked estimators only the first."""
    a, sgd = row("g", "a"), row("g", "sgd")
    assert (a["final_target_index"], a["hardest_target_index"]) == (1, 0)
    assert (a["hardest_target"], a["hardest_successes"]) == (1.0, 1)
    assert a["hardest_queries"] == 130
    assert a["hardest_queries_high"] == math.inf
    assert sgd["first_order"]
    assert sgd["hardest_queries"] == 1
    alone = [run for run in RUNS if run[1] == "sgd"]
    assert row("g", "sgd", results(alone))["hardest_target_index"] == 1


def test_skipped_everywhere():
    b = row("g", "b")
    assert (b["runs"], b["skipped"], b["coverage"]) == (0, 2, 0)
    assert b["reasons"] == "2 skipped: needs blocks"
    assert b["final_successes"] == 0
    assert np.isnan([b["final_queries"], b["seconds_per_query"], b["peak_memory"]]).all()


def test_no_target_reached_by_anyone_and_no_queries():
    runs = [("f", "a", r, [], {"status": "failed", "queries": 0, "seconds": 0.0}) for r in range(3)]
    a = row("f", "a", results(runs))
    assert math.isnan(a["hardest_target"])
    assert math.isnan(a["hardest_queries"])
    assert a["final_queries"] == math.inf
    assert math.isnan(a["seconds_per_query"])


def test_order_and_empty():
    found = summary_of(*results(RUNS), resamples=1000)
    assert list(zip(found["problem"], found["estimator"])) == [
        ("f", "a"), ("f", "b"), ("g", "a"), ("g", "b"), ("g", "sgd"),
    ]  # fmt: skip
    runs, _, problems = results(RUNS)
    assert summary_of(runs[:0], pd.DataFrame(columns=HIT_COLUMNS), problems).empty
    with pytest.raises(BadInput, match="lacks memory_ratio"):
        summary_of(runs.drop(columns="memory_ratio"), pd.DataFrame(columns=HIT_COLUMNS), problems)


def board(frames=None, **options):
    runs, hits, problems = frames or results(RUNS)
    table = run_table(runs, hits, problems)
    rows = leaderboard_rows(runs, problems, table, resamples=1000, **options)
    return rows.set_index(["method", "group"])


def test_leaderboard_rows():
    frames = results(RUNS, groups={"g": "other"})
    rows = board(frames, facts={"cpu": "abacus"}, of_row={("a", "g"): {"version": "3"}})
    assert list(rows.reset_index().columns.sort_values()) == sorted(COLUMNS)
    a = rows.loc["a", "g"]
    assert (a["n_problems"], a["coverage"], a["n_runs"], a["n_failed"]) == (1, 1, 6, 1)
    assert a["success_rate"] == pytest.approx(5 / 6)
    assert (a["cpu"], a["version"], rows.loc["b", "g"]["cpu"]) == ("abacus", "3", "abacus")
    assert a["us_per_query"] == pytest.approx(250)
    assert a["peak_rss_mb"] == pytest.approx(2.5)
    second = [1 - math.log(20 + r) / math.log(100) for r in range(5)]
    assert a["log_area"] == pytest.approx((6 * 0.5 + sum(second)) / 12)
    assert a["log_area_low"] < a["log_area"] < a["log_area_high"]
    unknown = ["git_sha", "track", "data_sha256", "verified", "speedup", "baseline", "n_speedup"]
    assert a[unknown].isna().all()
    b = rows.loc["b", "other"]
    assert (b["n_problems"], b["coverage"], b["n_runs"]) == (0, 0, 0)
    assert b[["success_rate", "log_area", "aocc", "us_per_query"]].isna().all()
    assert ("sgd", "g") not in rows.index


def test_facts_cannot_replace_what_was_computed():
    assert board(facts={"n_runs": 1000}).loc["a", "g"]["n_runs"] == 8


def test_speedup_is_against_the_frozen_baseline_only():
    frames = results(RUNS)
    table = run_table(*frames)
    frozen = table[table["estimator"] == "a"]
    rows = board(frames, baseline=frozen)
    itself = rows.loc["a", "g"]
    assert (itself["baseline"], itself["n_speedup"]) == ("a", 1)
    assert itself["speedup"] == pytest.approx(1)
    assert rows.loc["b", "g"]["n_speedup"] == 0
    assert math.isnan(rows.loc["b", "g"]["speedup"])
    fewer = [run for run in RUNS if run[1] != "b"]
    alone = board(results(fewer), baseline=frozen).loc["a", "g"]
    pd.testing.assert_series_equal(alone, itself)  # no other estimator changes a row


def test_hash_of_targets():
    problems = results(RUNS)[2]
    assert targets_hash(problems) == targets_hash(problems[::-1])
    assert targets_hash(problems) != targets_hash(problems.assign(budget=99))
    assert targets_hash(problems) != targets_hash(problems.assign(kind="best"))


def test_no_target_is_met_before_the_first_query():
    rng = np.random.default_rng(0)
    plan = [("f", "a", r, [int(q)], {}) for r, q in enumerate(rng.choice([1, 2, 99], 6))]
    found = summary_of(*results(plan, targets=(1.0,)), resamples=1000).iloc[0]
    assert found["final_queries_low"] == 1
    assert found["final_seconds_low"] < 1e-2
