"""The floors of `zobench bench overhead`: the plainest scripts that do the same work."""

from __future__ import annotations

import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


def loop(f: Callable[[np.ndarray], np.ndarray], points: np.ndarray) -> float:
    """Return the lowest of f at the points, which it takes one by one as rows."""
    low = math.inf
    for k in range(len(points)):
        value = float(f(points[k : k + 1])[0])
        if value < low:
            low = value
    return low


def zo_sgd(dim: int, queries: int, lr: float, eps: float, seed: int) -> float:
    """Run ZO-SGD with central differences on the sphere, and return the last gap."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(dim)
    for _ in range(queries // 2):
        z = rng.standard_normal(dim)
        plus, minus = x + eps * z, x - eps * z
        slope = (float(np.dot(plus, plus)) - float(np.dot(minus, minus))) / (2 * eps)
        x = x - lr * slope * z
    return float(np.dot(x, x))


def random_search(f: Callable[[np.ndarray], float], x: np.ndarray, budget: int, seed: int) -> float:
    """Step to the best of 16 Gaussian samples around x, and return the lowest value."""
    rng = np.random.default_rng(seed)
    low = math.inf
    for _ in range(budget // 16):
        candidates = x + rng.standard_normal((16, x.size))
        values = [f(c) for c in candidates]
        best = min(values)
        if best < low:
            low, x = best, candidates[values.index(best)]
    return low


def cma_es(f: Callable[[np.ndarray], float], x: np.ndarray, budget: int, seed: int) -> float:
    """Run CMA-ES of `cma`, restarted with twice the population, and return the lowest value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that matplotlib is missing
        import cma

    low, spent, population = math.inf, 0, None
    while True:
        options: dict[str, Any] = {"verbose": -9, "seed": seed + 1}
        if population:
            options["popsize"] = population
        search = cma.CMAEvolutionStrategy(x, 0.5, options)
        while not search.stop():
            if spent + search.popsize > budget:
                return low
            candidates = search.ask()
            values = [f(c) for c in candidates]
            spent += len(values)
            low = min(low, *values)
            search.tell(candidates, values)
        population = 2 * search.popsize


def bbob_script(
    method: Callable[[Callable[[np.ndarray], float], np.ndarray, int, int], float],
    dim: int,
    instances: int,
    budget: int,
) -> None:
    """Run a method on the 24 functions with COCO's suite and observer, as in its experiments."""
    import cocoex

    with _temporary_folder():
        suite = cocoex.Suite("bbob", f"instances:1-{instances}", f"dimensions:{dim}")
        observer = cocoex.Observer("bbob", "result_folder:plain algorithm_name:plain")
        for problem in suite:
            problem.observe_with(observer)
            method(problem, np.zeros(dim), budget, 1)
            problem.free()


@contextmanager
def _temporary_folder() -> Iterator[None]:
    """Inside, the current folder is a temporary one, and COCO's messages are off."""
    import cocoex

    level, home = cocoex.log_level("warning"), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(home)
            cocoex.log_level(level)
