"""Rank tests: hand-computed examples, SciPy, and brute force over all relabellings."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from analysis_tools import lengths_table, results
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from zobench.analysis import rank_tests as tests
from zobench.analysis.adjust import bonferroni, holm
from zobench.analysis.friedman import friedman
from zobench.analysis.midranks import midranks
from zobench.analysis.nemenyi import (
    against_control,
    cliques,
    critical_difference,
    range_quantile,
)
from zobench.analysis.ranksum import rank_sum
from zobench.analysis.runlengths import Cases, run_table
from zobench.analysis.signed_rank import signed_rank
from zobench.errors import BadInput

few = st.lists(st.integers(0, 4), min_size=1, max_size=5)


def brute_rank_sum(strata):
    """Two-sided p by listing every relabelling of every stratum."""
    choices, seen = [], 0.0
    for a, b in strata:
        ranks = stats.rankdata([*a, *b])
        seen += ranks[: len(a)].sum()
        choices.append([sum(c) for c in itertools.combinations(ranks, len(a))])
    sums = np.array([sum(parts) for parts in itertools.product(*choices)])
    return min(1.0, 2 * min((sums <= seen + 1e-9).mean(), (sums >= seen - 1e-9).mean()))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(few, few), min_size=1, max_size=2))
def test_rank_sum_is_that_of_all_relabellings(strata):
    found = rank_sum([(np.array(a), np.array(b)) for a, b in strata])
    assert found.p == pytest.approx(brute_rank_sum(strata))
    assert found.least <= found.p + 1e-12


@pytest.mark.parametrize(("m", "n"), [(3, 3), (5, 8), (20, 25)])
def test_rank_sum_is_scipys_without_ties(m, n):
    rng = np.random.default_rng(m)
    a, b = rng.normal(size=m), rng.normal(0.7, size=n)
    found, theirs = rank_sum([(a, b)]), stats.mannwhitneyu(a, b, method="exact")
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert found.effect == pytest.approx(1 - theirs.statistic / (m * n))


def test_rank_sum_of_many_runs_is_scipys_approximation():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 50), rng.integers(1, 10, 70)
    theirs = stats.mannwhitneyu(a, b, method="asymptotic")
    assert rank_sum([(a, b)]).p == pytest.approx(theirs.pvalue, rel=1e-9)


def test_rank_sum_says_what_it_could_have_shown():
    apart = rank_sum([(np.arange(5), np.arange(5) + 10)])
    assert (apart.p, apart.least, apart.effect) == (2 / 252, 2 / 252, 1)
    assert rank_sum([(np.full(5, np.inf), np.full(5, np.inf))]).p == 1
    assert rank_sum([]).p == rank_sum([(np.empty(0), np.ones(2))]).p == 1
    two = rank_sum([(np.arange(5), np.arange(5) + 10)] * 2)
    assert two.p == pytest.approx(2 / 252**2)


def test_rank_sum_keeps_its_level():
    rng = np.random.default_rng(4)
    draws = [[(rng.exponential(size=5), rng.exponential(size=5)) for _ in "ab"] for _ in range(400)]
    assert np.mean([rank_sum(strata).p <= 0.05 for strata in draws]) < 0.075


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_signed_rank_is_that_of_all_signs(values):
    x = np.array([v for v in values if v])
    found = signed_rank(np.array(values, float))
    if not len(x):
        assert (found.p, found.n) == (1, 0)
        return
    ranks = stats.rankdata(np.abs(x))
    signs = np.array(list(itertools.product([0, 1], repeat=len(x))))
    sums, seen = signs @ ranks, ranks[x > 0].sum()
    p = min(1.0, 2 * min((sums <= seen + 1e-9).mean(), (sums >= seen - 1e-9).mean()))
    assert found.p == pytest.approx(p)


def test_signed_rank_is_scipys():
    rng = np.random.default_rng(1)
    x = rng.normal(0.4, size=24)
    assert signed_rank(x).p == pytest.approx(stats.wilcoxon(x, method="exact").pvalue)
    x = rng.integers(-3, 6, 100).astype(float)
    theirs = stats.wilcoxon(x, method="approx", correction=False)
    assert signed_rank(x).p == pytest.approx(theirs.pvalue)
    assert signed_rank(np.array([1.0, 2, np.nan, np.inf])).effect == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 6), st.integers(2, 9), st.booleans())
def test_friedman_is_scipys_and_iman_davenport_by_hand(seed, k, n, ties):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 4, (n, k)).astype(float) if ties else rng.normal(size=(n, k))
    found = friedman(x, higher_is_better=False)
    np.testing.assert_allclose(found.ranks, stats.rankdata(x, axis=1).mean(axis=0))
    if np.ptp(x, axis=1).any():
        theirs = stats.friedmanchisquare(*x.T)
        assert found.chi2 == pytest.approx(theirs.statistic)
        assert found.p_chi2 == pytest.approx(theirs.pvalue)
        if n * (k - 1) - found.chi2 > 1e-9:
            f = (n - 1) * found.chi2 / (n * (k - 1) - found.chi2)
            assert found.p == pytest.approx(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))


def test_friedman_by_hand():
    # ranks 1 2 3 on each of four problems: chi2 = 12 * 4 / 12 * (1 + 4 + 9 - 12) = 8
    same = friedman(np.tile([3.0, 2.0, 1.0], (4, 1)))
    assert (list(same.ranks), same.chi2, same.f, same.p) == ([1, 2, 3], 8, np.inf, 0)
    flat = friedman(np.ones((4, 3)))
    assert (list(flat.ranks), flat.chi2, flat.p) == ([2, 2, 2], 0, 1)
    for bad in (np.ones((1, 3)), np.ones((3, 1)), np.array([[1, np.nan], [1, 2]])):
        with pytest.raises(BadInput):
            friedman(bad)


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_values_of_nemenyi(k, q):
    """The table of Demšar 2006, and the studentized range with endless degrees of freedom."""
    assert range_quantile(k) / np.sqrt(2) == pytest.approx(q, abs=1e-3)
    assert range_quantile(k, 0.9) == pytest.approx(
        float(stats.studentized_range.ppf(0.9, k, 1e7)), rel=1e-5
    )


def test_critical_difference_and_cliques():
    # Demšar's example: 4 classifiers, 14 data sets, CD = 2.569 sqrt(4 * 5 / (6 * 14)) = 1.25
    assert critical_difference(4, 14) == pytest.approx(1.2535, abs=5e-4)
    ranks = np.array([3.143, 2.0, 2.893, 1.964])
    assert cliques(ranks, 1.25) == [(3, 1, 2, 0)]
    assert cliques(ranks, 1.15) == [(3, 1, 2), (1, 2, 0)]
    assert cliques(np.array([1.0, 3.0]), 1.0) == []
    with pytest.raises(BadInput):
        critical_difference(1, 4)


def test_holm_against_a_control_by_hand():
    ranks = np.array([3.143, 2.0, 2.893, 1.964])
    error = np.sqrt(4 * 5 / (6 * 14))
    z = (3.143 - ranks[1:]) / error
    p = 2 * stats.norm.sf(z)  # Demšar: z = 2.343, 0.512, 2.416
    expected = [max(2 * p[0], 3 * p[2]), p[1], 3 * p[2]]
    np.testing.assert_allclose(against_control(ranks, 14, 0)[1:], expected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_and_bonferroni_by_definition(p):
    p = np.array(p)
    found = holm(p)
    for i in range(len(p)):
        below = [(len(p) - np.sum(p < q)) * q for q in p[p <= p[i]]]
        assert found[i] == pytest.approx(min(1.0, max(below)))
    assert (found <= bonferroni(p) + 1e-12).all()
    assert np.isnan(holm(np.array([0.2, np.nan]))[1])
    assert holm(np.array([0.2, np.nan]))[0] == bonferroni(np.array([0.2, np.nan]))[0] == 0.2


def test_midranks():
    assert midranks(np.array([[3, 1, 3, np.inf]])).tolist() == [[2.5, 1, 2.5, 4]]


def table_of(lengths, problems=4, runs=3):
    """Estimator -> queries to the only target, on several problems."""
    plan = [
        (f"p{p}", name, r, [q + p + r], {}) for p in range(problems) for name, q in lengths.items()
        for r in range(runs)
    ]  # fmt: skip
    return run_table(*results(plan, targets=(1.0,)))


def test_tests_of_run_tables():
    table = table_of({"slow": 60, "fast": 5, "middle": 20})
    scores = tests.score_matrix(table)
    assert scores.shape == (4, 3)
    found = tests.rank_tests(scores, control="slow")
    assert (found.names, found.ranks) == (("fast", "middle", "slow"), (1, 2, 3))
    assert found.friedman.chi2 == pytest.approx(8)
    assert found.groups == (("fast", "middle"), ("middle", "slow"))
    assert set(found.holm) == {"fast", "middle"}
    assert found.holm["fast"] == pytest.approx(2 * 2 * stats.norm.sf(2 / np.sqrt(3 * 4 / 24)))
    assert tests.over_problems(scores, "fast", "slow").p == pytest.approx(2 / 16)
    assert tests.over_problems(scores, "fast", "slow").effect == 1
    each = tests.per_target(table, "fast", "slow")
    assert len(each) == 4
    assert (each["effect"] == 1).all()
    assert each["p"].iloc[0] == pytest.approx(2 / 20)
    assert each["p_bonferroni"].iloc[0] == pytest.approx(8 / 20)
    for call in (
        lambda: tests.rank_tests(scores, control="slwo"),
        lambda: tests.per_target(table, "fast", "fats"),
        lambda: tests.score_matrix(table, ["none"]),
        lambda: tests.over_problems(scores, "fast", "x"),
    ):
        with pytest.raises(BadInput, match="no estimator with"):
            call()


def test_problems_that_not_all_ran_are_left_out():
    table = table_of({"a": 5, "b": 9})
    part = table.loc[(table["estimator"] == "a") | (table["problem"] != "p1")]
    assert list(tests.score_matrix(part).index) == ["p0", "p2", "p3"]


def test_failures_rank_behind_successes_by_what_is_left():
    frame = lengths_table({("p", "a"): [10, 99, 99], ("p", "b"): [20, 5, 99]}, cut=50)
    runs = {name: r for (_, _, name), r in Cases(frame).items()}
    a, b = runs["a"], runs["b"]
    assert tests.cut(a, b) == 50
    x, y = tests.first_then_near(a, b)
    assert stats.rankdata([*x, *y]).tolist() == [2, 5, 5, 3, 1, 5]
    x, y = tests.first_then_near(a, b, np.array([0, -3.0, np.nan]), np.array([0, 0, -4.0]))
    assert stats.rankdata([*x, *y]).tolist() == [2, 5, 6, 3, 1, 4]
    easy = SimpleNamespace(length=np.ones(2), success=np.ones(2, bool))
    assert tests.cut(easy, easy) == np.inf


def test_targets_that_nobody_reached_have_no_row():
    table = run_table(*results([("p", n, r, [], {}) for n in "ab" for r in range(3)]))
    assert tests.per_target(table, "a", "b").empty
    assert isinstance(tests.per_target(table, "a", "b"), pd.DataFrame)


@pytest.mark.parametrize("kind", ["current", "best"])
def test_unsuccessful_runs_rank_by_what_was_left_when_the_first_ended(kind):
    # budget 100; one run of b failed after 60 queries, so scores there count
    plan = [("p", "a", r, [], {}) for r in range(3)]
    plan += [("p", "b", 0, [30], {}), ("p", "b", 1, [], {"queries": 60}), ("p", "b", 2, [], {})]
    frames = results(plan, targets=(1.0,), kind=kind)
    at_60 = {"k0": 5.0, "k1": 6.0, "k2": 7.0, "k4": 8.0, "k5": 4.0}
    rows = [(k, q, q * 1e-3, v, v) for k, low in at_60.items()
            for q, v in ((0, 99.0), (50, low), (55, low + 1), (70, 1.5))]  # fmt: skip
    traces = pd.DataFrame(rows, columns=["run_key", "queries", "seconds", "score", "best"])
    table = run_table(*frames)
    (row,) = tests.per_target(table, "a", "b", traces).itertuples()
    # a ranks 3, 4, 5 and b 1, 6, 2: of nine pairs, a leads in those with the run that failed early
    assert row.effect == pytest.approx(3 / 9)
    assert row.p == pytest.approx(stats.mannwhitneyu([3, 4, 5], [1, 6, 2], method="exact").pvalue)
    (tied,) = tests.per_target(table, "a", "b").itertuples()
    assert tied.effect == pytest.approx(3 / 9)  # one success against ties
    assert tied.p == 1
