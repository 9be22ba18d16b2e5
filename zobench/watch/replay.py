"""Replay: a run made again up to its best score. Equal seeds give equal bits, so none is stored."""

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

DIGITS = 6  # of a key, at least


@dataclass(frozen=True)
class Found:
    """A run that was made, and where its score was best."""

    spec: RunSpec
    queries: int  # of its best score
    score: float


@dataclass(frozen=True)
class Policy:
    """The best policy of a run: a point, what whitens its observations, its score as replayed."""

    problem: PolicySearch
    x: np.ndarray
    moments: Moments | None
    score: float


def find(run: str, estimator: str, number: int, folders: Sequence[Path]) -> Found:
    """The run of a key, or the best of a problem's, of one estimator and repetition (from 1).

    Raises BadInput when there is none.
    """
    found: list[Found] = []
    problems: dict[str, None] = {}
    for folder in folders:
        with Store.open(folder, write=False) as store:
            specs, traces = {spec.key: spec for spec in store.specs()}, store.traces()
        for key, trace in traces.groupby("run_key", observed=True):
            spec = specs.get(str(key))
            if spec is None:
                continue
            problems[spec.problem.id] = None
            keyed = len(run) >= DIGITS and spec.key.startswith(run)
            named = estimator in ("", spec.estimator.text, spec.estimator.entry)
            if (spec.problem.id == run or keyed) and named and number in (0, spec.repetition + 1):
                best = trace.loc[trace["score"].idxmin()]
                found.append(Found(spec, int(best["queries"]), float(best["score"])))
    if not problems:
        places = ", ".join(str(folder) for folder in folders) or "results/"
        raise BadInput(f"no runs in {places}; zobench run ... --suite rl-classic makes some")
    if not found and run not in problems:
        raise unknown("problem or run", run, problems)
    if not found:
        raise BadInput(f"no run of {run} by {estimator or 'any'}{f', run {number}' * (number > 0)}")
    return min(found, key=lambda each: each.score)


def folders(given: Path | None) -> list[Path]:
    """Where to look: the folder given, or every one in results/."""
    return [given] if given else sorted(file.parent for file in Path("results").glob(f"*/{FILE}"))


def replay(
    found: Found, progress: Callable[[int], None] = lambda queries: None, episode: int = 1
) -> Policy:
    """Make the run again until its best score, off the record; `progress` hears of queries.

    Raises BadInput where the run is not that of a policy, or does not come to that score again.
    """
    spec = _short(found)
    objective, _ = entries(spec)
    problem = objective.build(spec.settings)
    if not isinstance(problem, PolicySearch):
        raise BadInput(
            f"{spec.problem.id} has no policy to watch: its objective is {objective.name}"
        )
    if not episode <= problem.score_episodes:
        raise BadInput(f"episodes are numbered 1 to {problem.score_episodes}, not {episode}")
    kept: list[Policy] = []

    def keep(queries: int, best: float) -> None:
        progress(queries)
        if queries == found.queries:
            problem: PolicySearch = run.problem
            kept[:] = [Policy(problem, problem.params.flat(), problem.whitening, run.final)]

    run = Run(spec, progress=keep)
    result = run.execute()
    if not kept:
        raise BadInput(f"the run does not repeat itself: {result.status} {result.reason}")
    return kept[0]


def _short(found: Found) -> RunSpec:
    """The run with a budget that ends at its best score; seeds depend on neither."""
    problem = found.spec.problem
    settings = dict(problem.settings)
    if "test_episodes" in settings:
        settings["test_episodes"] = 0
    short = replace(problem, budget=max(1, found.queries), settings=settings)
    return replace(found.spec, problem=short)
