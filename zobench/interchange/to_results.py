"""Curves as results: the runs of published algorithms, judged by a suite's targets and budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from zobench.errors import BadInput
from zobench.harness.chosen import IMPORTED, EstimatorSpec
from zobench.harness.plan import RunSpec
from zobench.harness.result import NAN, RunResult
from zobench.harness.suite import ProblemSpec, Suite
from zobench.interchange.curve import Curve
from zobench.interchange.numbering import COCO, number

TARGETS = tuple(10.0 ** round(2 - 0.2 * k, 9) for k in range(51))  # COCO's
GRID = 1.12  # trace rows are kept at queries that grow by this factor, as our own are
# A hit's seconds may not be missing in a results file; analysis takes inf as "not measured".
NO_SECONDS = float("inf")


@dataclass(frozen=True)
class Imported:
    """Runs and their outcomes, ready for a results file; notes say what was left out."""

    specs: list[RunSpec]
    results: list[RunResult]
    notes: list[str]


def to_results(
    curves: Sequence[Curve],
    suite: Suite | None,
    kind: Callable[[ProblemSpec], str] = lambda problem: problem.scored,
) -> Imported:
    """The runs of `curves` on the problems of `suite`, or of one made of the data.

    Data of COCO's suites fit the problem that is the same function in the same dimension, others
    the problem of the function's name. Its targets and budget count, as if the run had been stopped
    there; `kind` tells which point is judged, "current" or "best". Repetitions are numbered over
    all instances that the data have. Raises BadInput if nothing fits.
    """
    suite = suite or _suite_of(curves)
    groups: dict[str, list[Curve]] = {}
    left: Counter[str] = Counter()
    kinds: dict[str, str] = {}  # of a problem: `kind` may have to build it
    problems = {p.id: p for p in suite.problems}
    functions = _functions(suite)
    for curve in curves:
        if curve.suite in COCO:
            fits = functions.get((curve.suite, curve.function, curve.dimension))
        else:
            fits = problems.get(curve.name) or problems.get(f"{curve.name}-d{curve.dimension}")
        if fits is None:
            left[f"{curve.name} in {curve.dimension} dimensions is not in the suite"] += 1
            continue
        if fits.id not in kinds:
            kinds[fits.id] = kind(fits)
        if kinds[fits.id] == "current":
            left[f"{fits.id} is judged by its current point, which such data do not hold"] += 1
        else:
            groups.setdefault(fits.id, []).append(curve)
    if not groups:
        why = next(iter(left))
        raise BadInput(f"no run fits suite {suite.name!r}: {why}; without --suite, one is made")
    specs, results = [], []
    for name, some in groups.items():
        slots = _slots(some)
        problem = replace(problems[name], instances=slots, repetitions=len(slots))
        used: Counter[tuple[str, int]] = Counter()
        for curve in some:
            nth = used[curve.algorithm, curve.instance]
            used[curve.algorithm, curve.instance] += 1
            chosen = EstimatorSpec(
                text=curve.algorithm,
                entry=curve.algorithm,
                version=IMPORTED,
                settings={},
                settings_from={},
            )
            repetition = slots.index(curve.instance) + nth
            spec = RunSpec(
                suite=suite.name,
                suite_version=suite.version,
                problem=problem,
                estimator=chosen,
                repetition=repetition,
            )
            specs.append(spec)
            results.append(_result(spec, curve))
    notes = [f"left out {n} runs: {what}" for what, n in left.most_common(3)]
    if len(left) > 3:
        notes.append(f"left out runs on {len(left) - 3} other functions")
    return Imported(specs, results, notes)


def _functions(suite: Suite) -> dict[tuple[str, int, int], ProblemSpec]:
    """(suite of COCO, function, dimension) -> its problem, as an export numbers them."""
    numbers = number(suite.problems)
    return {
        (numbers[p.id].suite, numbers[p.id].function, p.settings["dim"]): p
        for p in suite.problems
        if numbers[p.id].suite in COCO
    }


def _slots(curves: Sequence[Curve]) -> tuple[int, ...]:
    """Instances, each as often as one algorithm ran it: places are numbers of repetitions."""
    runs = Counter((c.algorithm, c.instance) for c in curves)
    most: dict[int, int] = {}
    for (_, instance), count in runs.items():
        most[instance] = max(most.get(instance, 0), count)
    return tuple(i for i in sorted(most) for _ in range(most[i]))


def _suite_of(curves: Sequence[Curve]) -> Suite:
    """One problem a function and dimension, COCO's targets, the longest run as budget."""
    names = {c.suite for c in curves}
    if len(names) > 1:
        raise BadInput(f"data of {len(names)} suites ({', '.join(sorted(names))}); import one")
    budgets: dict[tuple[str, int, int], int] = {}
    for c in curves:
        place = (c.name, c.function, c.dimension)
        budgets[place] = max(budgets.get(place, 1), c.length)
    ids = Counter(name for name, _, _ in budgets)
    name = names.pop()
    problems = tuple(
        ProblemSpec(
            id=f if ids[f] == 1 and name not in COCO else f"{f}-d{d}",
            objective=name,
            version=IMPORTED,
            settings={"function": number, "dim": d},
            budget=budget,
            repetitions=1,
            targets=TARGETS,
            scored="best",
            group=name,
            how="the 51 targets of COCO",
        )
        for (f, number, d), budget in budgets.items()
    )
    text = "Made of imported data."
    return Suite(name=name, version=IMPORTED, description=text, problems=problems)


def _result(spec: RunSpec, curve: Curve) -> RunResult:
    problem = spec.problem
    reached = [curve.reached(target) for target in problem.targets]
    hits = [
        ("best", index, target, q, NO_SECONDS)
        for index, (target, q) in enumerate(zip(problem.targets, reached))
        if q is not None and q <= problem.budget
    ]
    done = len(hits) == len(problem.targets)
    spent = hits[-1][3] if done else min(curve.length, problem.budget)
    kept = curve.queries <= spent
    queries, gaps = curve.queries[kept], curve.gaps[kept]
    low = float(gaps[-1]) if np.isfinite(gaps[-1]) else NAN
    status = "target" if done else "budget" if curve.length >= problem.budget else "ok"
    return RunResult(
        spec.key,
        status,
        queries=spent,
        calls=spent,
        samples=spent,
        forward_equivalents=float(spent),
        estimator_seconds=NAN,
        objective_seconds=NAN,
        best_score=low,
        scored="best",
        dimension=curve.dimension,
        describe={"dimension": curve.dimension, "imported": True},
        scores={} if low != low else {"gap": low},
        hits=hits,
        trace=_trace(queries, gaps, spent),
    )


def _trace(queries: np.ndarray, gaps: np.ndarray, spent: int) -> list[tuple]:
    rows, due = [], 1.0
    for q, gap in [*zip(queries.tolist(), gaps.tolist()), (spent, float(gaps[-1]))]:
        if (q >= due or q == spent) and np.isfinite(gap) and not (rows and rows[-1][0] == q):
            rows.append((q, NAN, NAN, gap))
            due = q * GRID
    return rows
