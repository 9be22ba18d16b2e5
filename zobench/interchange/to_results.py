"""Results from curves: published runs, judged by the targets and budgets of a suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from zobench.errors import BadInput
from zobench.harness.estimator_spec import IMPORTED, EstimatorSpec
from zobench.harness.plan import RunSpec
from zobench.harness.result import NAN, RunResult
from zobench.harness.suite import ProblemSpec, Suite
from zobench.interchange.curve import Curve
from zobench.interchange.numbering import COCO, function_numbers

TARGETS = tuple(10.0 ** round(2 - 0.2 * k, 9) for k in range(51))  # COCO's
GRID = 1.12  # the factor between the queries of trace rows, as in our own runs
# A results file needs seconds of a hit; analysis reads inf as "not measured".
NO_SECONDS = float("inf")


@dataclass(frozen=True)
class ImportedRuns:
    """Runs and their results, ready for a results file, with notes on what is left out."""

    specs: list[RunSpec]
    results: list[RunResult]
    notes: list[str]


def to_results(
    curves: Sequence[Curve],
    suite: Suite | None,
    kind: Callable[[ProblemSpec], str] = lambda problem: problem.scored,
) -> ImportedRuns:
    """Turn curves into results.

    Curves of COCO's suites belong to the problem with the same function and dimension, others to
    the problem with the function's name. The targets and the budget of the problem count, as if
    the run had been stopped there. Repetitions are numbered over all instances of the data.

    Args:
        curves: the runs.
        suite: their problems; None: a suite made of the data.
        kind: says which point of a problem is judged, "current" or "best".

    Raises:
        BadInput: no run belongs to a problem.
    """
    suite = suite or _suite_of(curves)
    groups: dict[str, list[Curve]] = {}
    left_out: Counter[str] = Counter()
    kinds: dict[str, str] = {}  # of a problem: `kind` may have to build it
    problems = {p.id: p for p in suite.problems}
    functions = _functions(suite)
    for curve in curves:
        if curve.suite in COCO:
            problem = functions.get((curve.suite, curve.function, curve.dimension))
        else:
            problem = problems.get(curve.name) or problems.get(f"{curve.name}-d{curve.dimension}")
        if problem is None:
            left_out[_absent(curve, suite)] += 1
            continue
        if problem.id not in kinds:
            kinds[problem.id] = kind(problem)
        if kinds[problem.id] == "current":
            left_out[
                f"{problem.id} is judged by its current point, which such data do not hold"
            ] += 1
        else:
            groups.setdefault(problem.id, []).append(curve)
    if not groups:
        reason = next(iter(left_out))
        raise BadInput(f"no run fits suite {suite.name!r}: {reason}; without --suite, one is made")
    specs, results = [], []
    for name, group in groups.items():
        slots = _slots(group)
        problem = replace(problems[name], instances=slots, repetitions=len(slots))
        counts: Counter[tuple[str, int]] = Counter()
        for curve in group:
            earlier = counts[curve.estimator, curve.instance]
            counts[curve.estimator, curve.instance] += 1
            estimator = EstimatorSpec(
                text=curve.estimator,
                entry=curve.estimator,
                version=IMPORTED,
                settings={},
                settings_from={},
            )
            repetition = slots.index(curve.instance) + earlier
            spec = RunSpec(
                suite=suite.name,
                suite_version=suite.version,
                problem=problem,
                estimator=estimator,
                repetition=repetition,
            )
            specs.append(spec)
            results.append(_result(spec, curve))
    notes = [f"left out {n} run{'s' * (n > 1)}: {reason}" for reason, n in left_out.most_common(3)]
    if (others := len(left_out) - 3) > 0:
        notes.append(f"left out runs on {others} other function{'s' * (others > 1)}")
    return ImportedRuns(specs, results, notes)


def _absent(curve: Curve, suite: Suite) -> str:
    """Return why no problem of the suite is the function of the curve."""
    dimensions = f"in {curve.dimension} dimensions"
    if curve.suite not in COCO:
        return f"{curve.name} {dimensions} is not in the suite"
    name = f"{curve.name} of {curve.suite} {dimensions}"
    case = (curve.suite, curve.function, curve.dimension)
    keys = ("function", "dim")
    if case in [(p.objective, *(p.settings.get(key) for key in keys)) for p in suite.problems]:
        return f"{name} is in the suite with noise only, which COCO's data are without"
    return f"{name} is not in the suite"


def _functions(suite: Suite) -> dict[tuple[str, int, int], ProblemSpec]:
    """Map (suite of COCO, function, dimension) to its problem, numbered as in an export."""
    numbers = function_numbers(suite.problems)
    return {
        (numbers[p.id].suite, numbers[p.id].function, p.settings["dim"]): p
        for p in suite.problems
        if numbers[p.id].suite in COCO
    }


def _slots(curves: Sequence[Curve]) -> tuple[int, ...]:
    """Return the instances of the repetitions: each as often as one estimator ran it."""
    runs = Counter((c.estimator, c.instance) for c in curves)
    most: dict[int, int] = {}
    for (_, instance), count in runs.items():
        most[instance] = max(most.get(instance, 0), count)
    return tuple(i for i in sorted(most) for _ in range(most[i]))


def _suite_of(curves: Sequence[Curve]) -> Suite:
    """Make a suite: a problem per function and dimension, with COCO's targets.

    Its budget is that of the longest run.
    """
    names = {c.suite for c in curves}
    if len(names) > 1:
        raise BadInput(f"data of {len(names)} suites ({', '.join(sorted(names))}); import one")
    budgets: dict[tuple[str, int, int], int] = {}
    for c in curves:
        case = (c.name, c.function, c.dimension)
        budgets[case] = max(budgets.get(case, 1), c.length)
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
    queries_to = [curve.queries_to(target) for target in problem.targets]
    hits = [
        ("best", index, target, q, NO_SECONDS)
        for index, (target, q) in enumerate(zip(problem.targets, queries_to))
        if q is not None and q <= problem.budget
    ]
    is_done = len(hits) == len(problem.targets)
    spent = hits[-1][3] if is_done else min(curve.length, problem.budget)
    is_within = curve.queries <= spent
    queries, gaps = curve.queries[is_within], curve.gaps[is_within]
    low = float(gaps[-1]) if np.isfinite(gaps[-1]) else NAN
    status = "target" if is_done else "budget" if curve.length >= problem.budget else "ok"
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
