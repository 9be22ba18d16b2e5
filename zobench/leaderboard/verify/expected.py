"""What a suite and the estimators say a leaderboard row has to hold; nothing is run or built."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from zobench.analysis.leaderboard import targets_hash
from zobench.errors import BadInput
from zobench.harness.chosen import EstimatorSpec, baseline_settings, parse_estimator
from zobench.harness.plan import RunSpec
from zobench.harness.suite import ProblemSpec, Suite
from zobench.registry import estimators

MANY = 10  # problems of unknown dimension, all subsets of which are looked at
KINDS = ("best", "current")  # what may reach a target, where a suite leaves it to the objective


def problems_by_hash(
    suite: Suite, group: str, dimension: int
) -> dict[str, tuple[ProblemSpec, ...]]:
    """targets_hash -> the problems that a row of a group and dimension may be about.

    Objectives with a setting `dim` say their dimension: all problems of it, or none. Others know it
    when they are built, which is dear: there the hash tells which of the group's problems it is.
    """
    listed = [p for p in suite.problems if p.group == group]
    known = [p for p in listed if p.settings.get("dim") == dimension]
    found: dict[str, tuple[ProblemSpec, ...]] = {}
    for extra in _subsets([p for p in listed if "dim" not in p.settings]):
        chosen = tuple(p for p in listed if p in known or p in extra)
        for digest in _digests(chosen) if chosen else ():
            found.setdefault(digest, chosen)
    return found


def dimensions(suite: Suite) -> set[int]:
    """The dimensions that the suite's settings say."""
    return {p.settings["dim"] for p in suite.problems if "dim" in p.settings}


def estimator_of(method: str) -> EstimatorSpec | None:
    """The estimator that a row names; None for one of a file, which only a rerun executes.

    Raises BadInput for a name or settings that do not exist, or a file that is not here.
    """
    stem, colon, rest = method.partition(".py:")
    if not colon:
        return parse_estimator(method)
    path = Path(f"{stem}.py")
    if path.is_absolute() or ".." in path.parts or "\\" in stem:
        raise BadInput(f"{str(path)!r}: name the file from the repository's root")
    try:
        here = path.is_file()
    except OSError:  # a name that no file can have
        here = False
    if not here:
        raise BadInput(f"there is no file {str(path)!r} here; submit it with the row")
    if not rest.partition(":")[0]:
        raise BadInput(f"{method!r}: say which estimator of the file, as in '{path}:Name'")
    return None


def specs_of(
    suite: Suite, problems: Sequence[ProblemSpec], chosen: EstimatorSpec, tuned: bool
) -> list[RunSpec]:
    """The first run of an estimator on each problem, with the settings of its track.

    As `harness.plan`, but the estimator is not built. Raises BadInput.
    """
    defaults, ready = estimators[chosen.entry].defaults, {}
    for group in dict.fromkeys(p.group for p in problems):
        kept = baseline_settings(suite.name, chosen.entry, group) if tuned else {}
        ready[group] = replace(chosen, settings=defaults | kept | chosen.settings)
    return [RunSpec(suite.name, suite.version, p, ready[p.group], 0) for p in problems]


def repetitions(problems: Sequence[ProblemSpec], runs: int) -> int | None:
    """How many repetitions of each problem make that many runs; None: no number does."""
    for count in range(1, max(p.repetitions for p in problems) + 1):
        if sum(min(count, p.repetitions) for p in problems) == runs:
            return count
    return None


def _subsets(problems: list[ProblemSpec]) -> Iterator[tuple[ProblemSpec, ...]]:
    """None, all, then ever smaller parts; of many problems only those with a setting in common."""
    yield ()
    if len(problems) <= MANY:
        for size in range(len(problems), 0, -1):
            yield from itertools.combinations(problems, size)
        return
    yield tuple(problems)
    for key in dict.fromkeys(key for p in problems for key in p.settings):
        for value in dict.fromkeys(repr(p.settings.get(key)) for p in problems):
            yield tuple(p for p in problems if repr(p.settings.get(key)) == value)


def _digests(problems: Sequence[ProblemSpec]) -> Iterator[str]:
    """The hash of the problems' targets, for each way in which their objectives may be scored."""
    import pandas as pd

    unsaid = list(dict.fromkeys(p.objective for p in problems if not p.scored))
    for kinds in itertools.product(KINDS, repeat=len(unsaid)):
        kind = dict(zip(unsaid, kinds))
        listed = [
            {
                "problem": p.id,
                "target_index": index,
                "target": target,
                "kind": p.scored or kind[p.objective],
                "budget": p.budget,
            }
            for p in problems
            for index, target in enumerate(p.targets)
        ]
        yield targets_hash(pd.DataFrame(listed))
