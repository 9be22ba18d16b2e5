"""Replay a run up to its best score: equal seeds give equal bits, so no policy is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zobench.errors import BadInput, unknown
from zobench.harness.elements import entries
from zobench.harness.plan import RunSpec
from zobench.harness.run import Run
from zobench.harness.store import FILE, Store
from zobench.objectives.rl._whitening import Moments
from zobench.objectives.rl.problem import PolicySearch

DIGITS = 6  # the fewest digits of a run key that select a run


@dataclass(frozen=True)
class BestScore:
    """A stored run, and the query of its best score."""

    spec: RunSpec
    queries: int  # at its best score
    score: float


@dataclass(frozen=True)
class Policy:
    """The best policy of a run, as its replay gives it."""

    problem: PolicySearch
    x: np.ndarray  # the point, flat
    moments: Moments | None  # of the observations, to whiten them
    score: float


def find(run: str, estimator: str, number: int, folders: Sequence[Path]) -> BestScore:
    """Return the best of the stored runs that fit the arguments.

    Args:
        run: a problem, or the first digits of a run key.
        estimator: the estimator as typed or its entry; "": any.
        number: the number of the run, from 1; 0: any.
        folders: results folders.

    Raises:
        BadInput: no run fits.
    """
    candidates: list[BestScore] = []
    problems: dict[str, None] = {}
    for folder in folders:
        with Store.open(folder, write=False) as store:
            specs, traces = {spec.key: spec for spec in store.specs()}, store.traces()
        for key, trace in traces.groupby("run_key", observed=True):
            spec = specs.get(str(key))
            if spec is None:
                continue
            problems[spec.problem.id] = None
            fits_key = len(run) >= DIGITS and spec.key.startswith(run)
            fits_estimator = estimator in ("", spec.estimator.text, spec.estimator.entry)
            fits_number = number in (0, spec.repetition + 1)
            if (spec.problem.id == run or fits_key) and fits_estimator and fits_number:
                best = trace.loc[trace["score"].idxmin()]
                candidates.append(BestScore(spec, int(best["queries"]), float(best["score"])))
    if not problems:
        paths = ", ".join(str(folder) for folder in folders) or "results/"
        raise BadInput(f"no runs in {paths}; zobench run ... --suite rl-classic makes some")
    if not candidates and run not in problems:
        raise unknown("problem or run", run, problems)
    if not candidates:
        by = f" by {estimator}" if estimator else ""
        raise BadInput(f"no run of {run}{by}{f' with number {number}' * (number > 0)}")
    return min(candidates, key=lambda candidate: candidate.score)


def folders(path: Path | None) -> list[Path]:
    """Return the folder of a user, or all results folders in results/ if it is None."""
    return [path] if path else sorted(file.parent for file in Path("results").glob(f"*/{FILE}"))


def replay(
    best: BestScore, progress: Callable[[int], None] = lambda queries: None, episode: int = 1
) -> Policy:
    """Make a run again until its best score, without storing it.

    Args:
        best: the run.
        progress: called with the number of queries after each step.
        episode: the scoring episode to be filmed, from 1.

    Raises:
        BadInput: the run has no policy, or it ends without its score.
    """
    spec = _short(best)
    objective, _ = entries(spec)
    problem = objective.build(spec.settings)
    if not isinstance(problem, PolicySearch):
        raise BadInput(
            f"{spec.problem.id} has no policy to watch: its objective is {objective.name}"
        )
    if not episode <= problem.score_episodes:
        raise BadInput(f"episodes are numbered 1 to {problem.score_episodes}, not {episode}")
    policies: list[Policy] = []

    def on_step(queries: int, score: float) -> None:
        progress(queries)
        if queries == best.queries:
            problem: PolicySearch = run.problem
            policies[:] = [Policy(problem, problem.params.flat(), problem.whitening, run.final)]

    run = Run(spec, progress=on_step)
    result = run.execute()
    if not policies:
        raise BadInput(f"the run does not repeat: it ended as {result.status} {result.reason}")
    return policies[0]


def _short(best: BestScore) -> RunSpec:
    """The run with a budget that ends at its best score; its seeds do not depend on the budget."""
    problem = best.spec.problem
    settings = dict(problem.settings)
    if "test_episodes" in settings:
        settings["test_episodes"] = 0
    short = replace(problem, budget=max(1, best.queries), settings=settings)
    return replace(best.spec, problem=short)
