"""Speed-ups: ratios by hand, the permutation guarantee, and who is left out of the mean."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from analysis_tools import lengths_table
from hypothesis import given, settings
from hypothesis import strategies as st

from zobench.analysis.combine import _critical
from zobench.analysis.ert import ert
from zobench.analysis.joint import enough_each, joint_sums
from zobench.analysis.logratio import log_ratio
from zobench.analysis.pairs import Pair, pair
from zobench.analysis.runlengths import RunLengths
from zobench.analysis.speedup import speedup, speedup_of
from zobench.analysis.successes import success_test
from zobench.errors import BadInput


def of(samples, cut=math.inf, shared=True, **options):
    return speedup(lengths_table(samples, cut, shared), "a", "b", **options)


def test_by_hand():
    found = of(
        {
            ("f", "a"): [10, 20, 30, 20],  # ERT 20
            ("f", "b"): [40, 40, 30, 50],  # ERT 40: 2 times
            ("g", "a"): [5, 5, 5, 999],  # (15 + 100) / 3
            ("g", "b"): [80, 999, 999, 35],  # (115 + 200) / 2: 4.108696 times
        },
        cut=100,
    )
    assert [p.ratio for p in found.problems] == pytest.approx([2, (315 / 2) / (115 / 3)])
    assert found.ratio == pytest.approx(math.sqrt(2 * 315 * 3 / 2 / 115))
    counts = [(p.successes_a, p.runs_a, p.successes_b, p.runs_b) for p in found.problems]
    assert counts == [(4, 4, 4, 4), (3, 4, 2, 4)]
    assert found.paired
    assert 0 < found.low < found.ratio < found.high


def test_infinite_ratios_are_counted_and_left_out():
    same = [10, 20, 30, 25, 35, 22]
    none = [999] * 6
    table = lengths_table(
        {
            ("both", "a"): same,
            ("both", "b"): [2 * v for v in same],
            ("won", "a"): same,
            ("won", "b"): none,
            ("lost", "a"): none,
            ("lost", "b"): same,
            ("hard", "a"): none,
            ("hard", "b"): none,
            ("apart", "a"): same,
        },
        cut=100,
    )
    found = speedup(table, "a", "b", problems=[*dict.fromkeys(table["problem"]), "nobody"])
    outcomes = {p.problem: (p.outcome, p.ratio) for p in found.problems}
    assert outcomes["both"] == ("both", pytest.approx(2))
    assert outcomes["won"] == ("only_a", math.inf)
    assert outcomes["lost"] == ("only_b", 0)
    assert outcomes["hard"][0] == "neither"
    assert outcomes["apart"][0] == outcomes["nobody"][0] == "missing"
    assert found.ratio == pytest.approx(2)
    assert found.compared == 4
    assert [found.count(o) for o in ("both", "only_a", "only_b", "neither", "missing")] == [
        1, 1, 1, 1, 2,
    ]  # fmt: skip


def test_unmeasured_seconds_are_not_compared():
    found = of({("f", "a"): [1, np.nan, 3, 4], ("f", "b"): [1, 2, 3, 4]})
    assert found.count("missing") == 1
    assert math.isnan(found.ratio)


def test_the_mirror_image_is_exact():
    rng = np.random.default_rng(3)
    samples = {(p, e): rng.exponential(1 + (e == "b"), 6) for p in "fgh" for e in "ab"}
    for shared in (True, False):
        table = lengths_table(samples, 2.0, shared)
        there, back = speedup(table, "a", "b"), speedup(table, "b", "a")
        assert (back.low, back.high) == (1 / there.high, 1 / there.low)
        assert back.count("only_a") == there.count("only_b")
        assert back.shown == -there.shown
        assert repr(back.mirrored().problems) != repr(back.problems)
        assert back.mirrored().ratio == pytest.approx(there.ratio, rel=1e-15)


def test_a_copy_is_not_told_apart():
    lengths = np.random.default_rng(0).exponential(1, 15)
    found = of({("f", "a"): lengths, ("f", "b"): lengths})
    assert (found.ratio, found.low, found.high, found.shown) == (1, 1, 1, 0)


def test_pairs_that_rise_and_fall_together_are_told_apart_sooner():
    start = np.random.default_rng(1).lognormal(0, 2, 12)
    noise = np.random.default_rng(2).lognormal(0, 0.1, 12)
    samples = {("f", "a"): start, ("f", "b"): 1.5 * start * noise}
    paired, apart = of(samples), of(samples, shared=False)
    assert paired.paired
    assert not apart.paired
    assert paired.shown == 1
    assert apart.shown == 0
    assert paired.ratio == pytest.approx(apart.ratio)


def test_a_large_difference_is_shown_and_its_size_is_covered():
    rng = np.random.default_rng(8)
    samples = {(p, "a"): rng.gamma(4, 1, 10) for p in "fghi"}
    samples |= {(p, "b"): rng.gamma(4, 3, 10) for p in "fghi"}
    found = of(samples)
    assert found.shown == 1
    assert found.low < 3 < found.high
    assert found.high / found.low < 2.5


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_runs_show_nothing_whatever_they_are(count):
    values = np.arange(1, count + 1)
    found = of({("f", "a"): values, ("f", "b"): 1000 * values})
    assert found.too_few
    assert (found.low, found.high) == (0, math.inf)
    assert found.ratio == pytest.approx(1000)


def test_few_pairs_are_drawn_apart_so_that_they_can_show_something():
    found = of({("f", "a"): [1, 2, 3, 2, 2], ("f", "b"): [1000, 1100, 1200, 1300, 1000]})
    assert not found.paired  # 2^5 exchanges of labels are fewer than 2 / 0.05
    assert not found.too_few
    assert found.shown == 1


def test_a_problem_with_a_single_run_gives_no_interval():
    many = [1, 2, 3, 4, 5, 6, 7]
    samples = {("f", "a"): many, ("f", "b"): [9 * v for v in many]}
    assert of(samples).shown == 1
    assert of(samples | {("g", "a"): [1], ("g", "b"): [2]}).too_few
    # where one of the two missed it, the problem is not in the mean
    assert of(samples | {("g", "a"): [1], ("g", "b"): [999]}, cut=100).shown == 1


def test_one_run_an_instance_pairs_by_instance():
    table = lengths_table({("f", e): [1, 2, 3, 4, 5, 6, 7] for e in "ab"}, shared=False)
    assert not speedup(table, "a", "b").paired
    table["instance"] = table["repetition"].astype(float)
    assert speedup(table, "a", "b").paired


def test_nothing_in_common():
    found = of({("f", "a"): [1, 2, 3, 4]})
    assert (found.compared, found.success_p, found.paired, found.shown) == (0, 1, False, 0)
    empty = speedup(lengths_table({("f", "a"): [1.0]})[:0], "a", "b")
    assert empty.problems == ()
    assert math.isnan(empty.ratio)


def test_several_targets_of_a_problem_are_refused():
    table = lengths_table({("f", "a"): [1, 2], ("f", "b"): [1, 2]})
    table.loc[0, "target_index"] = 1
    with pytest.raises(BadInput, match="one target per problem"):
        speedup(table, "a", "b")


def t_of(x, y):
    """The studentised log ratio of two paired samples that all succeed, written out."""
    ones = np.ones(len(x))
    features = np.stack([x, ones, y, ones], axis=1)
    signs = np.array([-1.0, 1, 1, -1])
    theta, error = log_ratio(features, signs, np.ones((1, len(x))), np.zeros(len(x), int))
    return abs(theta[0] / error[0])


def test_the_permutation_test_rejects_at_its_level_and_not_one_relabelling_earlier():
    """Of 19 relabellings and the observed runs one in ten, two of 20, may be as extreme."""
    null = np.arange(1.0, 20.0)
    one = Pair(3.0, 1.0, 9.0, np.zeros(9), np.ones(9), null, np.ones(19), (0.0, 0.0))
    assert _critical([one], 0.1, 0) == pytest.approx(18)  # 19 alone is more extreme
    assert _critical([one], 0.05, 0) == pytest.approx(19)
    assert _critical([one], 0.04, 0) == math.inf


@pytest.mark.parametrize("seed", range(12))
def test_1_is_excluded_only_if_the_exact_permutation_test_rejects(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.lognormal(0, 1, 8), rng.lognormal(1.1, 1, 8)
    seen, more = t_of(x, y), 0
    for swap in itertools.product([False, True], repeat=8):
        more += t_of(np.where(swap, y, x), np.where(swap, x, y)) >= seen - 1e-9
    p = more / 256
    found = of({("f", "a"): x, ("f", "b"): y})
    if p > 0.06:  # 2000 of the relabellings are drawn, so p is known to about 0.005
        assert found.shown == 0
    if p < 0.01:
        assert found.low > 0.8


@pytest.mark.parametrize(
    ("name", "draw", "cut", "runs", "problems", "shared"),
    [
        ("exponential", lambda r, n: r.exponential(size=n), math.inf, 15, 1, True),
        ("heavy tail", lambda r, n: r.lognormal(0, 2.0, n), math.inf, 15, 1, False),
        ("few runs", lambda r, n: r.lognormal(0, 1.0, n), math.inf, 5, 1, True),
        ("censored", lambda r, n: r.exponential(size=n), 0.7, 10, 2, True),
        ("ties", lambda r, n: r.integers(1, 4, n), 2, 8, 2, True),
    ],
)
def test_type_1_error(name, draw, cut, runs, problems, shared):
    """The same distribution: "a is sooner" at most at 2.5 %, a difference at most at 5 %."""
    rng, trials, sooner, later = np.random.default_rng(23), 250, 0, 0
    labels = np.full(runs, -1), np.arange(runs)

    def sample(seed):
        lengths = draw(rng, runs)
        return RunLengths(np.minimum(lengths, cut), lengths <= cut, *labels, labels[1] + seed)

    for _ in range(trials):
        sides = {p: (sample(0), sample(0 if shared else 99)) for p in "fghi"[:problems]}
        shown = speedup_of(sides, "a", "b", resamples=1000).shown
        sooner, later = sooner + (shown > 0), later + (shown < 0)
    # what a fair coin of the level exceeds with probability 0.1 %
    most, both = (scipy.stats.binom.ppf(0.999, trials, p) for p in (0.025, 0.05))
    assert sooner <= most
    assert later <= most
    assert sooner + later <= both


@pytest.mark.parametrize(("alpha", "shared"), [(0.02, True), (0.01, False)])
def test_joint_draws_keep_the_level(alpha, shared):
    """100 draws of each of 4 problems: too few by themselves to tell anything at these levels."""
    rng, trials, shown, runs = np.random.default_rng(29), 200, 0, 6
    labels = np.full(runs, -1), np.arange(runs)
    for _ in range(trials):
        sides = {}
        for problem in "fghi":
            x, y = rng.lognormal(0, 1.5, (2, runs))
            there = RunLengths(x, x > 0, *labels, labels[1])
            sides[problem] = (there, RunLengths(y, y > 0, *labels, labels[1] + 50 * (not shared)))
        shown += speedup_of(sides, "a", "b", 1 - alpha, resamples=100).shown != 0
    assert shown <= scipy.stats.binom.ppf(0.999, trials, alpha)


def test_joint_draws_tell_what_more_resamples_tell():
    rng = np.random.default_rng(31)
    samples = {(p, e): rng.lognormal(0.6 * (e == "b"), 0.5, 15) for p in "fghi" for e in "ab"}
    few, many = (of(samples, level=0.9995, resamples=n) for n in (2000, 40_000))
    assert few.shown == many.shown == 1
    assert few.ratio == many.ratio
    assert math.log(few.low) == pytest.approx(math.log(many.low), abs=0.04)
    assert math.log(few.high) == pytest.approx(math.log(many.high), abs=0.04)


def test_joint_draws_are_sums_of_one_draw_of_each_problem():
    draws = [np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[10.0, 20, 30], [40, 50, 60]])]
    found = joint_sums(draws, 0.5, 0, "x")
    assert found.shape == (2, 42)  # 14 blocks of 3: 40 are needed
    assert found[:, :3].tolist() == [[11, 22, 33], [44, 55, 66]]
    assert set(found[0]) <= {a + b for a in (1, 2, 3) for b in (10, 20, 30)}
    assert len(set(found[0])) == 9
    assert (found[1] - found[0] == 33).all()
    assert joint_sums(draws[:1], 0.5, 0, "x").tolist() == draws[0].tolist()
    assert [enough_each(2000, 1e-4, n) for n in (1, 4, 20)] == [200_000, 12_500, 2000]


@given(st.tuples(*[st.integers(1, 12)] * 2), st.data())
@settings(max_examples=60, deadline=None)
def test_success_test_is_fishers_on_one_problem(runs, data):
    hits = [data.draw(st.integers(0, n)) for n in runs]
    table = [[hits[0], runs[0] - hits[0]], [hits[1], runs[1] - hits[1]]]
    sides = [scipy.stats.fisher_exact(table, side).pvalue for side in ("less", "greater")]
    expected = min(1.0, 2 * min(sides))
    assert success_test([(hits[0], runs[0], hits[1], runs[1])]) == pytest.approx(expected)


def test_success_test_over_two_problems_counts_all_relabellings():
    # successes of (a: 3 runs, b: 3 runs) on two problems: 3 and 0, then 2 and 1
    found = success_test([(3, 3, 0, 3), (2, 3, 1, 3)])
    sums = [
        len(set(first) & {0, 1, 2}) + len(set(second) & {0, 1, 3})
        for first in itertools.combinations(range(6), 3)
        for second in itertools.combinations(range(6), 3)
    ]
    assert found == pytest.approx(2 * np.mean(np.array(sums) >= 5))
    assert success_test([]) == 1


def test_relabelled_pairs_are_all_swaps_and_no_others():
    """Every drawn relabelling of paired runs is one of the 2^n, and all of these are drawn."""
    rng = np.random.default_rng(5)
    x, y = (runs_of(rng.lognormal(0, 1, 5), rng.random(5) < 0.8) for _ in range(2))
    drawn = pair(x, y, True, 2000, 0, "p").null
    wanted = []
    for swap in itertools.product([False, True], repeat=5):
        left, right = (
            runs_of(np.where(s, y.length, x.length), np.where(s, y.success, x.success))
            for s in (np.array(swap), ~np.array(swap))
        )
        if left.successes and right.successes:
            costs = (ert(r.length, r.success) for r in (left, right))
            wanted.append(-np.log(next(costs)) + np.log(next(costs)))
    there = drawn[np.isfinite(drawn)]
    assert set(np.round(there, 9)) == set(np.round(wanted, 9))


def runs_of(length, success):
    numbers = np.arange(len(length))
    return RunLengths(length, success, np.full(len(length), -1), numbers, numbers)
