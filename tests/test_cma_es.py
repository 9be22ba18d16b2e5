"""The adapter of CMA-ES: what it recommends is a point of the objective."""

import tracemalloc

import numpy as np
import pytest

from zobench.estimators._sep_cma import SepCMA


def test_the_point_is_the_mean_also_where_the_package_changes_its_coordinates():
    pytest.importorskip("cma")
    from zobench.estimators.cma_es import CMA

    rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))
    scales = 10.0 ** np.linspace(0, 14, 5)

    def f(points):
        return (scales * (points @ rotation) ** 2).sum(axis=1)

    search = CMA(np.full(5, 2.0), 1, 0.5, 2.0, "no")
    changed = False
    for _ in range(600):
        candidates = search.ask()
        search.tell(candidates, f(candidates).tolist())
        changed |= not search.inner.gp.isidentity
    assert changed
    assert f(search.best()[None])[0] <= 10 * search.low


MOST = 60  # a population that ends a test: it doubles


def search(f, steps, x0=(1.0, 2.0, 3.0), sigma=0.5):
    """(CMA after so many steps on f, sizes of its populations, its points)."""
    pytest.importorskip("cma")
    from zobench.estimators.cma_es import CMA

    made, sizes, points = CMA(np.array(x0), 1, sigma, 2.0, "no"), [7], [x0]
    while len(points) < steps and sizes[-1] < MOST:
        candidates = made.ask()
        sizes.append(len(candidates))
        made.tell(candidates, f(candidates).tolist())
        points.append(tuple(made.best()))
    return made, sizes, points


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, np.inf])
def test_where_all_losses_are_equal_it_stays_and_its_population_does_too(value):
    _, sizes, points = search(lambda x: np.full(len(x), value), 30)
    assert set(sizes) == {7}
    assert set(points) == {(1.0, 2.0, 3.0)}


def test_it_leaves_a_plateau_for_what_is_better():
    made, _, points = search(
        lambda x: np.where(x[:, 0] > 2.0, ((x - 3.0) ** 2).sum(axis=1), 50.0), 80
    )
    assert made.low < 1e-3
    assert np.allclose(points[-1], 3.0, atol=0.1)


def test_a_population_grows_after_a_search_that_has_converged():
    _, sizes, _ = search(lambda x: np.round((x**2).sum(axis=1), 3), 400)
    assert {7, 14} <= set(sizes)


def test_a_restart_that_finds_as_low_a_loss_does_not_take_the_point():
    def flat_below(x):
        return np.maximum(np.abs(x).sum(axis=1) - 1.0, 0.0)

    made, sizes, points = search(flat_below, 200)
    assert made.low == 0.0
    assert len(set(sizes)) > 2  # there were restarts, and each ends inside
    second = sizes.index(14)
    assert len(set(points[second - 1 :])) == 1
    assert np.abs(points[-1]).sum() <= 1.0


def ellipsoid(dimension):
    scales = 10.0 ** np.linspace(0, 3, dimension)
    return lambda points: (scales * points**2).sum(axis=1)


def queries_until(search, f, target):
    """The queries until a loss is below the target."""
    queries = 0
    while True:
        points = np.asarray(search.ask())
        losses = f(points).tolist()
        queries += len(points)
        if min(losses) < target:
            return queries
        assert not search.stop() or not queries
        search.tell(points if isinstance(search, SepCMA) else list(points), losses)


def test_variances_alone_take_about_as_many_queries_as_those_of_the_package():
    cma, d, counts = pytest.importorskip("cma"), 60, {}
    for kind in ("ours", "package"):
        counts[kind] = []
        for seed in range(5):
            rng = np.random.default_rng(seed)
            if kind == "ours":
                made = SepCMA(np.ones(d), 0.5, rng)
            else:
                options = {"verbose": -9, "CMA_diagonal": True, "seed": np.nan}
                options["randn"] = lambda *shape, rng=rng: rng.standard_normal(shape)
                made = cma.CMAEvolutionStrategy(np.ones(d), 0.5, options)
            counts[kind].append(queries_until(made, ellipsoid(d), 1e-4))
    ours, package = (np.mean(counts[kind]) for kind in ("ours", "package"))
    assert 0.7 * package < ours < 1.3 * package


def test_variances_alone_learn_the_scales_of_the_coordinates():
    d = 40
    made = SepCMA(np.ones(d), 0.5, np.random.default_rng(0))
    queries_until(made, ellipsoid(d), 1e-8)
    found = np.log10(made.variances)  # of 1 / scale, but for a factor
    assert np.corrcoef(found, np.linspace(0, -3, d))[0, 1] > 0.95
    assert 2 < found[:5].mean() - found[-5:].mean() < 4


def test_variances_alone_do_not_move_the_start_of_the_caller():
    start = np.ones(5)
    made = SepCMA(start, 0.5, np.random.default_rng(0))
    queries_until(made, ellipsoid(5), 1e-3)
    assert (start == 1).all()


def test_a_generation_holds_its_population_once():
    d = 20_000
    made = SepCMA(np.ones(d), 0.5, np.random.default_rng(0))
    tracemalloc.start()
    points = made.ask()
    made.tell(points, list(range(len(points))))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * points.nbytes


@pytest.mark.parametrize(
    ("f", "start", "why"),
    [
        (lambda x: (x**2).sum(axis=1), 1.0, "converged"),
        (lambda x: np.full(len(x), 3.0), 1.0, "flat"),
        (lambda x: x.sum(axis=1), 1.0, "far"),
        (lambda x: (x**2).sum(axis=1), 1e12, "rounding"),
    ],
)
def test_variances_alone_stop_as_the_package_does(f, start, why):
    made = SepCMA(np.full(4, start), 1e-5 if why == "rounding" else 0.5, np.random.default_rng(0))
    steps = 0
    while not made.stop() and steps < 2000:
        points = made.ask()
        made.tell(points, f(points).tolist())
        steps += 1
    deviation = made.sigma * made.deviations.max()
    assert {
        "converged": f(made.mean[None])[0] < 1e-11 and deviation < 1e-4,
        "flat": steps == 1,
        "far": deviation > 400 and steps < 200,
        "rounding": steps == 1,
    }[why]


def test_above_a_thousand_coordinates_the_variances_alone_are_kept():
    from zobench.estimators.cma_es import CMA

    made = CMA(np.ones(1001), 1, 0.5, 2.0, "auto")
    assert isinstance(made.inner, SepCMA)
    for _ in range(3):
        candidates = made.ask()
        made.tell(candidates, (candidates**2).sum(axis=1).tolist())
    assert (made.best() != 1).all()
    kept = made.best()
    before = kept.copy()
    candidates = made.ask()
    made.tell(candidates, (candidates**2).sum(axis=1).tolist())
    assert (kept == before).all()  # a point that was given away does not change
