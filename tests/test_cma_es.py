"""The adapter of CMA-ES: what it recommends is a point of the objective."""

import numpy as np
import pytest


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
