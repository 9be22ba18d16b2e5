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


def search(f, steps, x0=(1.0, 2.0, 3.0), sigma=0.5):
    """CMA after so many steps on f, and the sizes of its populations."""
    pytest.importorskip("cma")
    from zobench.estimators.cma_es import CMA

    made, sizes = CMA(np.array(x0), 1, sigma, 2.0, "no"), []
    for _ in range(steps):
        candidates = made.ask()
        sizes.append(len(candidates))
        made.tell(candidates, f(candidates).tolist())
    return made, sizes


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, np.inf])
def test_where_all_losses_are_equal_it_stays_and_its_population_does_too(value):
    made, sizes = search(lambda x: np.full(len(x), value), 30)
    assert set(sizes) == {7}
    assert made.best().tolist() == [1.0, 2.0, 3.0]


def test_it_leaves_a_plateau_for_what_is_better():
    made, _ = search(lambda x: np.where(x[:, 0] > 2.0, ((x - 3.0) ** 2).sum(axis=1), 50.0), 150)
    assert made.low < 1e-6
    assert np.allclose(made.best(), 3.0, atol=1e-2)


def test_a_population_grows_after_a_search_that_has_converged():
    _, sizes = search(lambda x: np.round((x**2).sum(axis=1), 3), 400)
    assert sizes[0] == 7
    assert {7, 14} <= set(sizes)


def test_ties_with_what_is_known_do_not_move_the_point():
    """A later restart finds the same lowest value somewhere else."""
    made, _ = search(lambda x: np.maximum(np.abs(x).sum(axis=1) - 1.0, 0.0), 40)
    assert made.low == 0.0
    best = made.best()
    for _ in range(200):
        candidates = made.ask()
        made.tell(candidates, np.maximum(np.abs(candidates).sum(axis=1) - 1.0, 0.0).tolist())
    assert np.abs(made.best()).sum() <= 1.0 + 1e-9
    assert np.abs(best).sum() <= 1.0 + 1e-9
