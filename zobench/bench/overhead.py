"""`zobench bench overhead`: the cost of a query through zobench, beside a plain script."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from zobench.bench import plain
from zobench.bench.timing import Sample, TimedCase, interleave
from zobench.core.directions import Dense, Probe
from zobench.core.oracle import Oracle
from zobench.core.problem import VectorProblem
from zobench.errors import BadInput
from zobench.harness.plan import RunSpec, plan
from zobench.harness.run import execute
from zobench.harness.suite import ProblemSpec, Suite
from zobench.registry import estimators, objectives

LR, EPS = 1e-3, 1e-3
TARGETS = (*(10 ** (2 - 0.2 * k) for k in range(51)), -1.0)  # the last one is never reached
BATCH = 16  # probes per call, where calls are batched
DIMS = (10, 40)
BBOB_DIM, BBOB_INSTANCES, BBOB_BUDGET = 10, 5, 1000


@dataclass(frozen=True)
class OverheadRow:
    """Seconds per query of a case, and of the case that it is compared with."""

    group: str
    name: str
    seconds: Sample
    floor: Sample


def cheap(rounds: int, queries: int) -> Iterator[tuple[str, list[OverheadRow]]]:
    """Measure the sphere: yield (progress, rows of the finished dimensions)."""
    if rounds < 1 or queries < 100:
        raise BadInput("repeats is a number of at least 1, and queries of at least 100")
    rows: list[OverheadRow] = []
    for dim in DIMS:
        cases = _objective_cases(dim, queries) | _estimator_cases(dim, queries)
        samples: dict[str, Sample] = {}
        for done, latest in interleave(cases, rounds):
            samples = latest
            yield f"sphere, d = {dim}: round {done} of {rounds}", rows
        floors = ("plain loop over f(x)", "zo-sgd in NumPy")
        floor = floors[0]
        for name, sample in samples.items():
            floor = name if name in floors else floor
            rows = [*rows, OverheadRow(f"sphere, d = {dim}", name, sample, samples[floor])]
    yield "done", rows


def bbob(rounds: int) -> Iterator[tuple[str, list[OverheadRow]]]:
    """Measure random search and CMA-ES on BBOB: yield (progress, rows of finished estimators)."""
    rows: list[OverheadRow] = []
    group = f"BBOB, d = {BBOB_DIM}, 24 x {BBOB_INSTANCES} runs of {BBOB_BUDGET} queries"
    total = 24 * BBOB_INSTANCES * BBOB_BUDGET
    for name, script in (("random-search", plain.random_search), ("cma-es", plain.cma_es)):
        floor = f"{name}: script, COCO observer"

        def scripted(script: Callable = script) -> None:
            plain.bbob_script(script, BBOB_DIM, BBOB_INSTANCES, BBOB_BUDGET)

        cases = {
            floor: _timed(scripted, total),
            f"{name}: zobench, in this process": _timed(lambda name=name: _bbob_here(name), total),
            f"{name}: zobench, workers and store": _timed(
                lambda name=name: _bbob_harness(_bbob_runs(name)), total
            ),
            f"{name}: of that, start-up": _timed(
                lambda name=name: _bbob_harness(_bbob_runs(name)[:1]), total
            ),
        }
        samples: dict[str, Sample] = {}
        for done, latest in interleave(cases, rounds, warm_up=False):
            samples = latest
            yield f"BBOB, {name}: round {done} of {rounds}", rows
        in_all, start = list(samples.values())[-2:]
        samples[f"{name}: zobench, start-up aside"] = in_all.minus(start)
        rows = [*rows, *(OverheadRow(group, n, s, samples[floor]) for n, s in samples.items())]
    yield "done", rows


def _objective_cases(dim: int, queries: int) -> dict[str, TimedCase]:
    """Return cases of the objective in a plain loop, and behind the oracle."""
    points = np.random.default_rng(0).standard_normal((queries, dim))
    problem = _sphere(dim)
    # A probe of scale 0 is the point itself: no direction is drawn, only evaluated and metered.
    probes: list[Probe] = [(0.0, Dense(points[0]))] * queries

    def metered(size: int) -> Callable[[], None]:
        calls = [probes[k : k + size] for k in range(0, queries, size)]

        def run() -> None:
            oracle = Oracle(problem, queries, 0)
            for call in calls:
                oracle(call)

        return run

    return {
        "plain loop over f(x)": _timed(lambda: plain.loop(problem.f, points), queries),
        "objective + meter, 1 a call": _timed(metered(1), queries),
        f"objective + meter, {BATCH} a call": _timed(metered(BATCH), queries),
    }


def _estimator_cases(dim: int, queries: int) -> dict[str, TimedCase]:
    """Return cases of ZO-SGD by hand, as an estimator alone, and through the harness."""

    def bare() -> None:
        problem = _sphere(dim)
        estimator = estimators["zo-sgd"].build({"lr": LR, "eps": EPS})
        estimator.start(problem.params, 0)
        for _ in range(queries // 2):
            estimator.step(lambda probes: problem.losses(probes, 0))

    suite = _suite((_problem("sphere", {"dim": dim}, queries, "current"),))
    spec = plan(suite, [f"zo-sgd:lr={LR},eps={EPS}"], repetitions=1, baselines=False)[0]

    def harness() -> None:
        result = execute(spec)
        if result.queries != queries // 2 * 2:
            raise RuntimeError(f"the run stopped after {result.queries} queries: {result.reason}")

    return {
        "zo-sgd in NumPy": _timed(lambda: plain.zo_sgd(dim, queries, LR, EPS, 0), queries),
        "zo-sgd, the estimator alone": _timed(bare, queries),
        "zo-sgd, through the harness": _timed(harness, queries),
    }


def _bbob_here(name: str) -> None:
    """Make the runs in this process, and store nothing."""
    for spec in _bbob_runs(name):
        execute(spec)


def _bbob_harness(runs: list[RunSpec]) -> None:
    """Make the runs with one worker: its start-up, the runs, the results file."""
    from zobench.harness.pool import run_all
    from zobench.harness.store import Store

    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        run_all(runs, store)


def _bbob_runs(name: str) -> list[RunSpec]:
    problems = tuple(
        _problem("bbob", {"function": f, "dim": BBOB_DIM}, BBOB_BUDGET, "best", BBOB_INSTANCES)
        for f in range(1, 25)
    )
    return plan(_suite(problems), [name], baselines=False)


def _suite(problems: tuple[ProblemSpec, ...]) -> Suite:
    return Suite(name="overhead", version="1", description="", problems=problems)


def _problem(
    objective: str, settings: dict, budget: int, scored: str, instances: int = 0
) -> ProblemSpec:
    entry = objectives[objective]
    settings = entry.defaults | settings
    if instances:
        del settings["instance"]
    return ProblemSpec(
        id="-".join([objective, *(str(v) for v in settings.values())]),
        objective=objective,
        version=entry.version,
        settings=settings,
        budget=budget,
        repetitions=instances or 1,
        targets=TARGETS,
        scored=scored,
        group=objective,
        instances=tuple(range(1, instances + 1)),
    )


def _sphere(dim: int) -> VectorProblem:
    problem: VectorProblem = objectives["sphere"].build({"dim": dim})
    problem.start(0)
    return problem


def _timed(work: Callable[[], object], queries: int) -> TimedCase:
    def case() -> float:
        began = perf_counter()
        work()
        return (perf_counter() - began) / queries

    return case
