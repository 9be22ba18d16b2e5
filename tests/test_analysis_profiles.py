"""Restarts, data and performance profiles, Moré-Wild targets, Pareto fronts."""

import numpy as np
import pandas as pd
import pytest
from analysis_tools import lengths_table, results, summary_of
from hypothesis import given, settings
from hypothesis import strategies as st

from zobench.analysis.data_profile import data_profile
from zobench.analysis.ecdf import band, ecdf
from zobench.analysis.ert import ert
from zobench.analysis.more_wild import more_wild
from zobench.analysis.pareto import on_front, pareto
from zobench.analysis.performance_profile import memory_ratios, profile, ratios
from zobench.analysis.restarts import restart_ecdf, restart_lengths
from zobench.analysis.runlengths import Cases, run_table
from zobench.errors import BadInput


def sample(lengths, cut=np.inf):
    (runs,) = Cases(lengths_table({("p", "a"): lengths}, cut=cut)).values()
    return runs


def test_restarts_have_the_ert_as_mean():
    runs = sample([10, 20, 90, 90, 90], cut=50)  # two of five succeed
    drawn = restart_lengths(runs, 20000)
    assert ert(runs.length, runs.success) == 90
    assert drawn.mean() == pytest.approx(90, rel=0.02)
    # k failures, then 10 or 20
    assert set(np.unique(drawn % 50)) == {10, 20}
    assert (drawn[0], drawn[1]) == (10, 20)  # the first of each is its own run
    assert np.array_equal(drawn, restart_lengths(runs, 20000))
    assert not np.array_equal(drawn, restart_lengths(runs, 20000, seed=1))


def test_restarts_at_the_ends():
    assert np.isinf(restart_lengths(sample([90, 90], cut=50), 7)).all()
    assert sorted(restart_lengths(sample([3, 5]), 4)) == [3, 3, 5, 5]


def test_the_curve_with_restarts_starts_as_the_one_without_and_goes_on():
    plan = [("p", "a", r, hit, {}) for r, hit in enumerate([[4], [8, 30], [], [60]])]
    table = run_table(*results(plan))
    plain, on = ecdf(table, points=41), restart_ecdf(table, last=1, points=41, draws=400)
    np.testing.assert_allclose(plain["x"], on["x"])
    # up to the shortest failed run (the budget, 100) both say the same
    np.testing.assert_allclose(on["share"][:-1], plain["share"][:-1])
    later = restart_ecdf(table, last=3.5, points=41, draws=400)
    assert later["share"].iloc[-1] > 0.99 > plain["share"].iloc[-1] == 0.5
    assert (np.diff(later["share"]) >= 0).all()
    assert restart_ecdf(table.iloc[:0], 1).empty


def test_data_profile_by_hand():
    # d = 10: 11 queries a simplex gradient. p: 11 and 33 queries; q: never and 22
    plan = [("p", "a", 0, [11], {}), ("p", "a", 1, [33], {}),
            ("q", "a", 0, [], {}), ("q", "a", 1, [22], {})]  # fmt: skip
    found = data_profile(run_table(*results(plan, targets=(1.0,))), np.array([0.9, 1, 2, 3, 99]))
    assert found["share"].tolist() == [0, 0.25, 0.5, 0.75, 0.75]
    assert set(found["problems"]) == {2}
    with pytest.raises(BadInput, match="k >= 0"):
        data_profile(run_table(*results(plan)), np.array([-1.0]))
    assert data_profile(run_table(*results(plan, dimension=np.nan)), np.ones(1)).empty


def test_performance_profile_by_hand():
    def table(name, p, q):
        plan = [("p", name, 0, [p] if p else [], {}), ("q", name, 0, [q] if q else [], {})]
        return run_table(*results(plan, targets=(1.0,)))

    reference = table("base", 10, 20)
    found = ratios(pd.concat([table("a", 5, 40), table("b", 30, None)]), reference)
    assert found["ratio"].tolist() == [0.5, 2, 3, np.inf]
    curve = profile(found, np.array([0.5, 1, 2, 3])).pivot_table("share", "estimator", "r")
    assert curve.loc["a"].tolist() == [0.5, 0.5, 1, 1]
    assert curve.loc["b"].tolist() == [0, 0, 0, 0.5]
    # what the reference did not reach is left out; another estimator changes nothing
    assert len(ratios(table("a", 5, 40), table("base", 10, None))) == 1
    alone = ratios(table("a", 5, 40), reference)["ratio"].tolist()
    assert alone == found.loc[found["estimator"] == "a", "ratio"].tolist()
    # so is a problem that it did not run
    alone = reference.loc[reference["problem"] == "q"]
    assert ratios(table("a", 5, 40), alone)["problem"].tolist() == ["q"]
    with pytest.raises(BadInput, match="one estimator, not 2"):
        ratios(reference, pd.concat([reference, table("a", 1, 1)]))
    assert profile(found.iloc[:0], np.linspace(1, 4, 7)).empty


def test_performance_profile_in_memory_by_hand():
    def table(name, *cells):  # (query of the target or None, bytes) of each run on p
        plan = [("p", name, r, [q] if q else [], {}) for r, (q, _) in enumerate(cells)]
        made = run_table(*results(plan, targets=(1.0,)))
        return made.assign(peak_memory=[float(b) for _, b in cells])

    reference = table("base", (3, 10), (None, 30))  # median 20
    found = memory_ratios(
        pd.concat([table("a", (9, 5), (9, 15)), table("b", (None, 1))]), reference
    )
    assert found["ratio"].tolist() == [0.5, np.inf]
    assert memory_ratios(table("a", (9, np.nan)), reference).empty
    assert memory_ratios(table("a", (9, 5)), table("base", (None, 10))).empty
    with pytest.raises(BadInput, match="one estimator, not 0"):
        memory_ratios(reference, reference.iloc[:0])


def traced(key, rows):
    columns = ["run_key", "queries", "seconds", "score", "best"]
    return pd.DataFrame([(key, q, q * 1e-3, s, b) for q, s, b in rows], columns=columns)


def test_more_wild_needs_a_start():
    """Where no start is known, no descent from it is."""
    runs, _, problems = results([("p", "a", 0, [], {})], kind="current")
    hits, _ = more_wild(runs, traced("k0", [(0, np.nan, np.nan), (5, -4.0, -4.0)]), problems)
    assert hits.empty


@pytest.mark.parametrize("kind", ["current", "best"])
def test_more_wild_by_hand(kind):
    plan = [("p", "a", 0, [], {}), ("p", "b", 0, [], {}), ("q", "a", 0, [], {})]
    runs, _, problems = results(plan, kind=kind)
    nan = np.nan
    column = [(0, 10.0, nan), (5, 4.0, 4.0), (9, 6.0, 4.0), (20, 2.0, 2.0)]
    other = [(0, 10.0, nan), (7, 2.8, 2.8), (30, 2.5, 2.5)]
    stuck = [(0, 3.0, nan), (50, 3.0, 3.0)]
    traces = pd.concat([traced("k0", column), traced("k1", other), traced("k2", stuck)])
    hits, targets = more_wild(runs, traces, problems, taus=(0.01, 0.1, 0.5))
    # start 10, lowest 2: levels 6, 2.8, 2.08
    found = {(h.run_key, h.target): h.queries for h in hits.itertuples()}
    assert found == {("k0", 0.5): 5, ("k0", 0.1): 20, ("k0", 0.01): 20,
                     ("k1", 0.5): 7, ("k1", 0.1): 7}  # fmt: skip
    table = run_table(runs, hits, targets)
    assert table.groupby("estimator")["success"].sum().to_dict() == {"a": 3, "b": 2}
    alone, _ = more_wild(runs.iloc[[1, 2]], traces, problems, taus=(0.01,))
    assert alone["queries"].tolist() == [30]  # the target depends on who is compared
    for taus in ((), (0.0,), (1.0,)):
        with pytest.raises(BadInput, match="between 0 and 1"):
            more_wild(runs, traces, problems, taus)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=8))
def test_front_by_brute_force(points):
    costs = np.array(points, float)
    beaten = [
        any(all(o <= p for o, p in zip(other, mine)) and other != mine for other in points)
        for mine in points
    ]
    assert on_front(costs).tolist() == [not b for b in beaten]


def test_fronts_leave_out_what_is_unknown_and_what_uses_gradients():
    assert on_front(np.array([[1, np.nan], [np.inf, 1], [2, 2]])).tolist() == [False, False, True]
    plan = [("p", "a", 0, [10], {"peak_memory": 5e6}), ("p", "b", 0, [20], {"peak_memory": 1e6}),
            ("p", "c", 0, [30], {"peak_memory": 2e6}), ("p", "d", 0, [], {"peak_memory": 1e3}),
            ("p", "sgd", 0, [1], {"peak_memory": 1e3, "first_order": True})]  # fmt: skip
    found = pareto(summary_of(*results(plan, targets=(1.0,))))
    assert dict(zip(found["estimator"], found["front"])) == {
        "a": True, "b": True, "c": False, "d": False, "sgd": False,
    }  # fmt: skip
    with pytest.raises(BadInput):
        pareto(summary_of(*results(plan, targets=(1.0,))), "first")  # type: ignore[arg-type]


@pytest.mark.parametrize("problems", [4, 16])
def test_bands_of_many_problems_are_as_narrow_as_their_mean_is_sure(problems):
    """The standard error of a mean over problems falls with the root of their number."""
    runs = np.repeat([[0.45], [0.55]], 50, axis=0)  # these vary less than successes would
    one, many = (np.subtract(*band([runs] * n)[::-1])[0] for n in (1, problems))
    assert many == pytest.approx(one / np.sqrt(problems), rel=0.05)
