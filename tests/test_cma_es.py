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
