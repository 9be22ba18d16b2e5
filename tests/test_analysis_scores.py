"""Scores and distributions against numbers by hand, and against each other."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from analysis_tools import results
from hypothesis import given, settings
from hypothesis import strategies as st

from zobench.analysis.ecdf import band, ecdf
from zobench.analysis.runlengths import run_table
from zobench.analysis.scores import (
    aocc,
    aocc_of_trace,
    least_log_area,
    log_area,
    mean_score,
    run_scores,
)

RUNS = [
    ("f", "a", 0, [1, 10], {}),
    ("f", "a", 1, [10], {}),
    ("f", "a", 2, [], {"status": "timeout", "queries": 60}),
    ("g", "a", 0, [100, 100], {}),
    ("f", "b", 0, [100], {}),
    ("g", "b", 0, [], {"status": "skipped", "queries": 0}),
]


def test_scores_by_hand():
    queries, budget = np.array([1, 10, 100, 50]), np.full(4, 100)
    success = np.array([True, True, True, False])
    assert log_area(queries, success, budget).tolist() == pytest.approx([1, 0.5, 0, 0])
    assert aocc(queries, success, budget).tolist() == pytest.approx([1, 0.91, 0.01, 0])


def test_scores_of_runs_and_their_mean_over_problems():
    scores = run_scores(run_table(*results(RUNS)))
    of_a = scores[scores["estimator"] == "a"].set_index(["problem", "repetition"])
    assert of_a["log_area"].to_dict() == pytest.approx(
        {("f", 0): 0.75, ("f", 1): 0.25, ("f", 2): 0, ("g", 0): 0}
    )
    mean = mean_score(scores, "a", "log_area")
    assert mean.value == pytest.approx((1 / 3 + 0) / 2)  # problems weigh the same
    assert (mean.problems, mean.runs) == (2, 4)
    assert math.isnan(mean.low)  # one run on g: nothing is known about its spread
    of_b = mean_score(scores, "b", "aocc")
    assert (of_b.value, of_b.problems) == (pytest.approx(0.005), 1)
    assert mean_score(scores, "nobody", "aocc").runs == 0


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_runs_have_a_log_area_below_the_least_with_their_aocc(data):
    budgets = data.draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=4))
    more = data.draw(st.lists(st.integers(1, 10**6), max_size=3))  # of problems that were not run
    pull = data.draw(st.sampled_from([0.0, 0.2, 1.0, 4.0]))  # above 0: q in small or large shares
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    means = []
    for budget in budgets:
        shape = tuple(data.draw(st.tuples(st.integers(1, 5), st.integers(1, 8))))  # runs, targets
        queries = np.ceil(budget * rng.random(shape) ** pull).clip(1, budget)
        success = rng.random(shape) < data.draw(st.sampled_from([0.5, 0.9, 1.0]))
        full = np.full(shape, budget)
        means.append([f(queries, success, full).mean() for f in (aocc, log_area)])
    soon, area = np.mean(means, axis=0)
    assert area <= soon + 1e-12
    assert area >= least_log_area(soon, budgets) - 1e-12
    assert area >= least_log_area(soon, [*budgets, *more], len(budgets)) - 1e-12


@pytest.mark.parametrize("budget", [1, 2, 3, 100, 1_000_000])
def test_the_least_log_area_is_that_of_hits_at_one_query(budget):
    for queries in {1, 2, 3, budget // 9, budget // 2, budget - 1, budget} & {
        *range(1, budget + 1)
    }:
        case = [np.array([x]) for x in (queries, True, budget)]
        least = least_log_area(float(aocc(*case)[0]), [budget])
        assert least == pytest.approx(float(log_area(*case)[0]), abs=0.01)
    assert least_log_area(0.0, [budget]) == 0


def test_the_least_log_area_of_two_budgets_is_reached_by_some_runs():
    hits = [
        np.transpose(
            [f(np.arange(1, b + 1), np.ones(b, bool), np.full(b, b)) for f in (aocc, log_area)]
        )
        for b in (30, 3000)
    ]
    pairs = (hits[0][:, np.newaxis] + hits[1]).reshape(-1, 2) / 2
    for goal in (0.3, 0.7, 0.9, 0.99):
        near = pairs[np.abs(pairs[:, 0] - goal) < 1e-3]
        assert least_log_area(goal, [30, 3000]) == pytest.approx(near[:, 1].min(), abs=0.01)


def test_the_interval_of_one_problem_is_students():
    values = np.array([0.2, 0.3, 0.25, 0.5])
    scores = pd.DataFrame({"problem": "f", "estimator": "a", "log_area": values})
    mean = mean_score(scores, "a", "log_area")
    theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean.low, mean.high) == pytest.approx((theirs.low, theirs.high))


def test_aocc_of_a_trace_by_hand():
    # no row before query 2; gap 1e-3 (loss 0.5) for queries 2..5, then 1e-8 (loss 0) for 6..10
    found = aocc_of_trace(np.array([2, 4, 6]), np.array([1e-3, 1e5, 1e-8]), 10)
    assert found == pytest.approx(1 - (1 * 1 + 4 * 0.5 + 5 * 0) / 10)
    assert aocc_of_trace(np.array([0]), np.array([0.0]), 10) == 1
    assert aocc_of_trace(np.array([], int), np.array([]), 10) == 0


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_aocc_of_a_trace_is_the_sum_over_all_queries(data):
    budget = data.draw(st.integers(1, 30))
    n = data.draw(st.integers(1, 6))
    queries = sorted(data.draw(st.lists(st.integers(0, 40), min_size=n, max_size=n, unique=True)))
    gaps = data.draw(st.lists(st.floats(1e-10, 1e4), min_size=n, max_size=n))
    losses = []
    for t in range(1, budget + 1):
        seen = [g for q, g in zip(queries, gaps) if max(q, 1) <= t]
        losses.append(1.0 if not seen else (np.clip(math.log10(min(seen)), -8, 2) + 8) / 10)
    found = aocc_of_trace(np.array(queries), np.array(gaps), budget)
    assert found == pytest.approx(1 - np.mean(losses))


def test_aocc_of_many_targets_is_aocc_of_the_trace():
    rng = np.random.default_rng(4)
    queries = np.arange(1, 400, 7)
    gaps = 10 ** (2 - np.cumsum(rng.exponential(0.15, len(queries))))
    levels = 10 ** (2 - 10 * (np.arange(4000) + 0.5) / 4000)
    hit = np.searchsorted(-gaps, -levels)  # the first row with gap <= level
    success = hit < len(gaps)
    first = queries[np.minimum(hit, len(gaps) - 1)]
    by_targets = aocc(first, success, np.full(4000, 500)).mean()
    assert by_targets == pytest.approx(aocc_of_trace(queries, gaps, 500), abs=5e-4)


def test_ecdf_by_hand():
    curves = ecdf(run_table(*results(RUNS)), points=4)  # x = -1, 0, 1 of 1, 10, 100 queries ...
    of_a = curves[curves["estimator"] == "a"]
    assert of_a["x"].tolist() == pytest.approx([-1, -1 / 3, 1 / 3, 1])
    # on f: 1, 1, 3, 3 of the 6 pairs (run, target); on g: 0, 0, 0, 2 of 2
    assert of_a["share"].tolist() == pytest.approx([1 / 12, 1 / 12, 1 / 4, 3 / 4])
    assert (of_a["problems"].iloc[0], of_a["runs"].iloc[0]) == (2, 4)
    assert of_a["budget"].iloc[0] == pytest.approx(1)
    assert curves[curves["estimator"] == "b"]["problems"].iloc[0] == 1


def test_ecdf_includes_the_query_that_a_point_stands_for():
    curves = ecdf(run_table(*results(RUNS, dimension=7)), points=3)  # 1, 10 and 100 queries
    of_a = curves[curves["estimator"] == "a"]
    assert of_a["share"].tolist() == pytest.approx([1 / 12, 1 / 4, 3 / 4])


@given(st.lists(st.lists(st.integers(1, 100), max_size=3), min_size=2, max_size=6), st.data())
@settings(max_examples=15, deadline=None)
def test_ecdf_counts_pairs(hits, data):
    dimension = data.draw(st.sampled_from([1, 2, 40]))
    runs = [("f", "a", r, sorted(h), {}) for r, h in enumerate(hits)]
    frames = results(runs, targets=(3.0, 2.0, 1.0), dimension=dimension)
    curves = ecdf(run_table(*frames), points=9)
    for x, share in zip(curves["x"], curves["share"]):
        within = [q for h in hits for q in h if math.log10(q / dimension) <= x + 1e-9]
        assert share == pytest.approx(len(within) / (3 * len(hits)))
    assert curves[["low", "high"]].isna().to_numpy().all() == (len(hits) < 4)
    assert not (curves["low"] > curves["share"]).any()
    assert not (curves["share"] > curves["high"]).any()
    assert curves["share"].is_monotonic_increasing


def test_dimensions_are_never_merged_and_unknown_ones_are_left_out():
    parts = [
        results([(p, "a", 0, [5, 9], {"run_key": p})], dimension=d)
        for p, d in (("f", 2), ("g", 40), ("h", np.nan))
    ]
    runs, hits, problems = (pd.concat(frames) for frames in zip(*parts))
    hits = hits.assign(run_key=np.repeat(["f", "g", "h"], 2))
    curves = ecdf(run_table(runs, hits, problems), points=5)
    assert curves["dimension"].unique().tolist() == [2, 40]
    assert ecdf(run_table(*results(RUNS))[:0]).empty


LAWS = {  # spread of runs, share of runs that stop early, spread of targets
    "clean": (0.8, 0.0, 0.0),
    "failing": (0.8, 0.3, 0.0),
    "narrow": (0.2, 0.1, 0.0),
    "apart": (0.4, 0.1, 0.6),
}


def _run_lengths(rng, law, problems, runs, targets, samples):
    """log lengths (samples, runs, problems, targets); problems differ in ease, runs in luck."""
    spread, fail, apart = LAWS[law]
    shape = (samples, runs, problems)
    ease = np.random.default_rng(problems).uniform(2, 6, problems)
    lengths = (ease + spread * rng.standard_normal(shape))[..., None] + 0.25 * np.arange(targets)
    lengths = lengths + apart * rng.standard_normal((*shape, targets))
    stop = np.where(rng.random(shape) < fail, rng.integers(0, targets + 1, shape), targets)
    return np.where(np.arange(targets) < stop[..., None], lengths, np.inf)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("problems", "runs", "targets"), [
    (1, 5, 1), (1, 15, 1), (1, 15, 8), (4, 3, 5), (4, 15, 1), (24, 5, 8), (24, 15, 8),
])  # fmt: skip
def test_bands_cover_the_expected_curve(law, problems, runs, targets):
    """95 % nominal; on average along the curve more than 92 %, at its worst point a few less."""
    rng, samples = np.random.default_rng(7), 200
    many = _run_lengths(rng, law, problems, 1000, targets, 1)[0]
    x = np.quantile(many[np.isfinite(many)], np.r_[0.001, 0.005, np.linspace(0.02, 0.98, 25)])
    truth = (many[..., None] <= x).mean(axis=(0, 1, 2))
    inside = np.zeros(len(x))
    for sample in _run_lengths(rng, law, problems, runs, targets, samples):
        curves = (sample[..., None] <= x).mean(axis=2)
        low, high = band([curves[:, p] for p in range(problems)])
        inside += (low <= truth) & (truth <= high)
    assert inside.mean() / samples > 0.92
    assert inside.min() / samples > 0.78


@pytest.mark.parametrize(("law", "problems"), [
    *(("clean", n) for n in (1, 4, 24)), *(("failing", n) for n in (1, 4, 24)),
    ("narrow", 24), ("apart", 24),
])  # fmt: skip
def test_intervals_of_scores_cover_the_expected_score(law, problems):
    """95 % nominal, at least 92 % measured, at 15 runs and 8 targets; less where failures are rare
    on few problems, see `mean_score`."""
    rng, samples, budget = np.random.default_rng(8), 400, np.exp(9.0)

    def scores(lengths):  # of each run, on each problem
        queries = np.exp(np.minimum(lengths, 20))
        return log_area(queries, lengths <= 9.0, budget).mean(axis=-1)

    truth = scores(_run_lengths(rng, law, problems, 20_000, 8, 1)[0]).mean()
    hits = 0
    for sample in scores(_run_lengths(rng, law, problems, 15, 8, samples)):
        rows = pd.DataFrame({
            "estimator": "a", "problem": np.tile(np.arange(problems), 15), "s": sample.ravel(),
        })  # fmt: skip
        found = mean_score(rows, "a", "s")
        hits += found.low <= truth <= found.high
    assert hits / samples >= 0.92


def test_degrees_of_freedom_are_those_of_the_problems_that_vary():
    """Welch and Satterthwaite, by hand: one problem of five runs varies, one of 50 hardly does."""
    rng = np.random.default_rng(0)
    few, many = 0.5 + 0.1 * rng.standard_normal(5), 0.5 + 1e-4 * rng.standard_normal(50)
    rows = pd.DataFrame({"estimator": "a", "problem": ["p"] * 5 + ["q"] * 50, "s": [*few, *many]})
    found = mean_score(rows, "a", "s")
    parts = np.array([few.var(ddof=1) / 5, many.var(ddof=1) / 50])
    freedom = parts.sum() ** 2 / (parts**2 / [4, 49]).sum()
    half = scipy.stats.t.ppf(0.975, freedom) * np.sqrt(parts.sum()) / 2
    assert freedom < 4.01
    assert found.high - found.value == pytest.approx(half)
    assert found.value - found.low == pytest.approx(half)


def test_runs_that_agree_say_nothing_of_others():
    rows = pd.DataFrame(
        {"estimator": "a", "problem": ["p", "p", "q", "q"], "s": [0.1 + 0.2, 0.3, 1, 1]}
    )
    found = mean_score(rows, "a", "s")
    assert (found.value, np.isnan(found.low), np.isnan(found.high)) == (0.65, True, True)
    rows["s"] += [0, 0.01, 0, 0]
    assert mean_score(rows, "a", "s").low < 0.65


def test_bands_of_runs_that_agree_are_not_empty():
    """Wilson's interval of 5 successes in 5 with t of 4 degrees; problems that agree weigh too."""
    (low,), (high,) = band([np.ones((5, 1))])
    t = scipy.stats.t.ppf(0.975, 4)
    assert (low, high) == (pytest.approx(5 / (5 + t**2)), 1)
    (low,), (high,) = band([np.ones((5, 1)), np.zeros((5, 1))])
    assert low < 0.45 < 0.55 < high
    # 15 runs that all reached half: the variance of the mean is taken as 1 / (4 * 15 ** 2)
    (low,), (high,) = band([np.full((15, 1), 0.5)])
    square = scipy.stats.t.ppf(0.975, 14) ** 2 / (0.25 / (0.25 / 15**2))
    half = math.sqrt(square * (0.25 + square / 4)) / (1 + square)
    assert (low, high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))
    few = band([np.ones((2, 3)), np.zeros((1, 3)), np.ones((2, 3))])
    assert np.isnan(few).all()
