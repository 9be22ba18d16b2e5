"""Large results make a page that is neither slow nor large: the limits are generous to machines."""

import time
from dataclasses import replace

import numpy as np
import pytest

from zobench.harness.store import Store
from zobench.interchange.curve import Curve
from zobench.interchange.to_results import to_results
from zobench.report.write import source, write
from zobench.results.stored import stored

MEASURED = 1e-6  # seconds a query, of the estimator and of the objective


def store_of(folder, estimators, functions, instances, dimensions):
    """Runs on BBOB's targets whose gaps fall at random, stored as if they had been made."""
    rng, curves = np.random.default_rng(0), []
    for dimension in dimensions:
        for function in range(1, functions + 1):
            for number in range(estimators):
                speed = rng.lognormal(0, 0.4) * (1 + number / 5)
                for instance in range(1, instances + 1):
                    count, budget = int(rng.integers(60, 160)), 1000 * dimension
                    at = np.unique(np.geomspace(1, budget, count).astype(int))
                    fall = 11 * rng.beta(2, 2) * np.log(at) / np.log(budget) / speed**0.3
                    gaps = np.minimum.accumulate(10 ** (3 - fall + rng.normal(0, 0.3, len(at))))
                    kept = np.append(True, np.diff(gaps) < 0)
                    curve = Curve(
                        estimator=f"method-{number:02d}",
                        suite="bbob",
                        function=function,
                        name=f"f{function}",
                        dimension=dimension,
                        instance=instance,
                        queries=at[kept],
                        gaps=gaps[kept],
                        length=budget,
                    )
                    curves.append(curve)
    imported = to_results(curves, None)
    results = []
    for run in imported.results:
        hits = [(kind, i, t, q, q * 2 * MEASURED) for kind, i, t, q, _ in run.hits]
        trace = [(q, q * 2 * MEASURED, float(best), best) for q, _, _, best in run.trace]
        spent = {"estimator_seconds": run.queries * MEASURED} | {
            "objective_seconds": run.queries * MEASURED,
            "peak_memory": 2e8 * rng.lognormal(0, 0.05),
        }
        results.append(replace(run, **spent, final_score=run.best_score, hits=hits, trace=trace))
    with Store.open(folder) as store:
        store.begin(imported.specs, {"zobench": "0", "cpu": "x"})
        store.add(results)
    return len(results)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "seconds", "megabytes"), [
    ((2, 24, 5, (10,)), 5, 20),
    ((30, 24, 15, (2, 10, 40)), 60, 20),
], ids=["small", "large"])  # fmt: skip
def test_a_page_takes_limited_time_and_space(tmp_path, size, seconds, megabytes):
    """Seconds of this process, so that what else the machine does counts little."""
    estimators, functions, instances, dimensions = size
    runs = store_of(tmp_path / "r", *size)
    assert runs == estimators * functions * instances * len(dimensions)
    before = time.process_time()
    made = write(source(stored(tmp_path / "r")), tmp_path / "page.html")
    spent, length = time.process_time() - before, made.stat().st_size / 1e6
    print(f"{runs} runs: {spent:.1f} s, {length:.1f} MB")
    assert spent < seconds
    assert length < megabytes
