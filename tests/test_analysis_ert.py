"""Expected run length: the number by hand, its standard error, and the coverage of its interval."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from zobench.analysis.ert import SIGNS, columns, ert, ert_interval, freedom, no_success
from zobench.analysis.logratio import log_ratio
from zobench.analysis.resampling import bootstrap, shuffles, strata_of, swaps
from zobench.analysis.runlengths import RunLengths


def sample(length, success=None, instance=None):
    length = np.asarray(length, float)
    n = len(length)
    success = np.ones(n, bool) if success is None else np.asarray(success, bool)
    instance = np.full(n, -1.0) if instance is None else np.asarray(instance, float)
    return RunLengths(length, success, instance, np.arange(n), np.arange(n))


def test_by_hand():
    # successes at 10 and 30, a failure that spent 100: 140 queries for two successes
    assert ert(np.array([10, 30, 100]), np.array([True, True, False])) == 70
    # the same as mean of the successful + (1 - p) / p times mean of the unsuccessful, p = 2/3
    assert 20 + 0.5 * 100 == 70
    assert ert(np.array([5, 5]), np.array([False, False])) == math.inf
    assert math.isnan(ert(np.array([]), np.array([])))
    assert math.isnan(ert(np.array([1.0, np.nan]), np.array([True, False])))


def test_what_it_is_the_mean_of():
    """Restarts until a success, simulated, cost the ERT on average."""
    length, success = np.array([10.0, 40, 90, 90]), np.array([True, True, False, False])
    rng = np.random.default_rng(0)
    picks = rng.integers(0, 4, (20_000, 60))
    first = success[picks].argmax(axis=1)  # 60 failures in a row have probability 1e-18
    spent = np.take_along_axis(length[picks].cumsum(axis=1), first[:, None], axis=1)
    assert spent.mean() == pytest.approx(ert(length, success), rel=0.02)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_log_ratio_equals_the_written_out_formula(data):
    n = data.draw(st.integers(2, 8))
    numbers = st.floats(0.5, 1e6)
    length = np.array(data.draw(st.lists(numbers, min_size=n, max_size=n)))
    success = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), float)
    picks = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n)))
    weights = np.bincount(picks, minlength=n)[None, :].astype(float)
    x = np.stack([length, success], axis=1)
    theta, error = log_ratio(x, SIGNS, weights, np.zeros(n, int))
    t, s = length[picks], success[picks]
    if not s.any():
        assert np.isnan(theta[0])
        assert np.isnan(error[0])
        return
    assert theta[0] == pytest.approx(math.log(t.mean() / s.mean()), abs=1e-9)
    psi = t / t.mean() - s / s.mean()
    assert error[0] == pytest.approx(psi.std(ddof=1) / math.sqrt(n), abs=1e-5)


def test_the_standard_error_of_strata_leaves_their_means_out():
    x = np.array([[1.0, 1], [3, 1], [2, 1], [101, 1], [103, 1], [102, 1]])
    strata = np.array([0, 0, 0, 1, 1, 1])
    _, error = log_ratio(x, SIGNS, np.ones((1, 6)), strata)
    by_hand = math.sqrt(2 * 3 * 1.0) / 6 / 52  # each stratum: 3 runs of variance 1; mean 52
    assert error[0] == pytest.approx(by_hand)
    assert np.isnan(log_ratio(x[:1], SIGNS, np.ones((1, 1)), strata[:1])[1][0])


def test_equal_runs_have_no_spread_even_where_rounding_has():
    x = np.tile([1 / 3, 1.0], (7, 1))
    assert log_ratio(x, SIGNS, np.ones((1, 7)), np.zeros(7, int))[1][0] == 0
    found = ert_interval(sample([8.0] * 7))
    assert found.value == pytest.approx(8)
    assert np.isnan([found.low, found.high]).all()


def test_strata_are_instances_that_have_several_runs():
    once, twice = np.arange(6.0), np.repeat([1.0, 2.0, 5.0], 2)
    assert strata_of(once)[0].tolist() == [0] * 6
    assert strata_of(twice)[0].tolist() == [0] * 6
    assert strata_of(np.repeat([5.0, 1.0], 3))[0].tolist() == [1, 1, 1, 0, 0, 0]
    assert strata_of(np.repeat([1.0, 2.0], 3), np.repeat([1.0, 3.0], 3))[0].tolist() == [0] * 6


def test_resamples_keep_the_size_of_each_stratum():
    strata = np.array([1, 0, 1, 0, 1])
    weights = bootstrap(strata, 300, seed=1)
    assert (weights[:, strata == 0].sum(axis=1) == 2).all()
    assert (weights[:, strata == 1].sum(axis=1) == 3).all()
    assert np.abs(weights.mean(axis=0) - 1).max() < 0.15
    assert (weights == bootstrap(strata, 300, seed=1)).all()
    assert (weights != bootstrap(strata, 300, seed=2)).any()
    first = shuffles([np.array([0, 0, 1]), np.array([0, 1, 1, 1])], 200, 0, "x")
    assert (first[:, [0, 1, 3]].sum(axis=1) == 2).all()
    assert (first[:, [2, 4, 5, 6]].sum(axis=1) == 1).all()
    assert 0.4 < swaps(4, 500, 0, "x").mean() < 0.6


def test_share_of_resamples_without_success_is_exact():
    success, strata = np.array([True, False, False, True, False]), np.array([0, 0, 0, 1, 1])
    assert no_success(success, strata) == pytest.approx((2 / 3) ** 3 * (1 / 2) ** 2)
    weights = bootstrap(strata, 20_000, seed=0)
    assert (weights[:, success].sum(axis=1) == 0).mean() == pytest.approx(2 / 27, abs=0.006)


def test_the_interval_of_many_runs_agrees_with_scipys_bootstrap():
    length = np.random.default_rng(5).exponential(100, 300)
    found = ert_interval(sample(length), resamples=4000)
    theirs = scipy.stats.bootstrap(
        (length,), np.mean, n_resamples=4000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert found.value == pytest.approx(length.mean())
    assert found.low == pytest.approx(theirs.low, rel=0.015)
    assert found.high == pytest.approx(theirs.high, rel=0.015)


def test_without_a_success_the_lower_limit_is_the_binomials():
    found = ert_interval(sample([100] * 15, [False] * 15))
    likely = scipy.stats.binomtest(0, 15).proportion_ci(0.95).high
    assert (found.value, found.high, found.successes, found.runs) == (math.inf, math.inf, 0, 15)
    assert found.low == pytest.approx(100 * (1 - likely) / likely)


def test_few_successes_have_no_upper_limit():
    three = ert_interval(sample([50] * 15, [True] * 3 + [False] * 12))
    four = ert_interval(sample([50] * 15, [True] * 4 + [False] * 11))
    assert three.value == 250
    assert 0 < three.low < 250
    assert three.high == math.inf
    assert four.high < math.inf


def test_too_few_runs_have_no_limits():
    for lengths in ([7.0], [7, 9], [7, 9, 12]):
        found = ert_interval(sample(lengths))
        assert (found.value, found.low, found.high) == (np.mean(lengths), 0, math.inf)
    assert ert_interval(sample([7, 9, 12, 15])).high < math.inf


def test_no_runs_or_unknown_lengths_have_no_value():
    for runs in (sample([]), sample([1.0, np.nan, 2.0])):
        found = ert_interval(runs)
        assert np.isnan([found.value, found.low, found.high]).all()
    assert ert_interval(sample([1.0, np.nan])).successes == 2


@given(
    st.lists(st.tuples(st.floats(1, 1e9), st.booleans()), min_size=1, max_size=20),
    st.sampled_from([0.8, 0.95, 0.99]),
)
@settings(max_examples=60, deadline=None)
def test_the_interval_holds_the_value_and_grows_with_the_level(rows, level):
    runs = sample([r[0] for r in rows], [r[1] for r in rows])
    found = ert_interval(runs, level, resamples=1000)
    wider = ert_interval(runs, 1 - (1 - level) / 4, resamples=1000)
    assert found == ert_interval(runs, level, resamples=1000)  # deterministic
    if np.isnan(found.low):  # runs that agree, to the last digits
        assert np.isnan([found.high, wider.low, wider.high]).all()
        return
    slack = 1e-9 * found.value if found.successes else 0
    assert found.low <= found.value + slack
    assert found.value <= found.high + slack
    assert wider.low <= found.low + slack
    assert found.high <= wider.high + slack


@pytest.mark.parametrize(
    ("stray", "low", "high"), [(101, 99.9, 101), (50, 50, 105), (200, 90, 300)]
)
def test_runs_that_nearly_all_agree_have_limits_on_both_sides(stray, low, high):
    """A third of the resamples lack the stray run, and so have no spread."""
    found = ert_interval(sample([100.0] * 14 + [stray]))
    assert low < found.low < found.value < found.high < high


def test_limits_a_thousandfold_away_are_none():
    found = ert_interval(sample([10.0] * 4 + [10_000.0], [True] * 4 + [False]))
    assert (found.value, found.high) == (10_040 / 4, math.inf)


def test_coverage_where_runs_are_whole_steps():
    rng = np.random.default_rng(5)
    steps = [np.ceil(rng.normal(100, 10, 15) / 20) * 20 for _ in range(300)]
    truth = (np.ceil(np.random.default_rng(6).normal(100, 10, 400_000) / 20) * 20).mean()
    found = [ert_interval(sample(s), resamples=1000) for s in steps]
    assert np.mean([f.low <= truth <= f.high for f in found]) >= 0.92
    assert all(f.high < 2 * truth and f.low > truth / 2 for f in found)


def test_the_standard_error_of_strata_has_a_freedom_less_for_each():
    assert freedom(np.zeros(15, int)) == 14
    assert freedom(np.repeat([0, 1, 2], 5)) == 12
    # the least interval of runs without skew: Student's t of that freedom
    runs = np.tile([0.9, 1.0, 1.1], 5)
    x, strata = columns(sample(runs)), np.repeat([0, 1, 2, 3, 4], 3)
    (theta,), (error,) = log_ratio(x, SIGNS, np.ones((1, 15)), strata)
    found = ert_interval(sample(runs, instance=strata))
    least = math.exp(theta + scipy.stats.t.ppf(0.975, 10) * error)
    assert found.high >= least * (1 - 1e-12)


LAWS = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal, sigma 0.5": lambda rng, n: rng.lognormal(0, 0.5, n),
    "lognormal, sigma 1": lambda rng, n: rng.lognormal(0, 1.0, n),
    "gamma, shape 20": lambda rng, n: rng.gamma(20, size=n),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("reached", [1.0, 0.7, 0.3])
def test_coverage_at_15_runs(law, reached):
    """Nominal 95 %; `reached` is the chance of a run to succeed within its budget."""
    draw, rng = LAWS[law], np.random.default_rng(17)
    many = draw(np.random.default_rng(1), 400_000)
    budget = np.quantile(many, reached)
    truth = np.minimum(many, budget).mean() / (many <= budget).mean()
    samples = [draw(rng, 15) for _ in range(400)]
    runs = [sample(np.minimum(s, budget), s <= budget) for s in samples]
    found = [ert_interval(r, resamples=1000) for r in runs]
    assert np.mean([f.low <= truth <= f.high for f in found]) >= 0.92
    # it is an interval, not the whole line
    assert np.median([f.low for f in found]) > truth / 4
    if reached > 0.5:
        assert np.median([f.high for f in found]) < 4 * truth


def test_columns():
    assert columns(sample([3, 4], [True, False])).tolist() == [[3, 1], [4, 0]]
