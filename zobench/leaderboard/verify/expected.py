"""The cells of a row that follow from its suite and estimator, without running or building."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from zobench.analysis.leaderboard import targets_hash
from zobench.errors import BadInput, unknown
from zobench.harness.baseline import Baseline
from zobench.harness.estimator_spec import EstimatorSpec, parse_estimator, settled
from zobench.harness.plan import RunSpec
from zobench.harness.suite import ProblemSpec, Suite
from zobench.harness.suite_file import load, suite_files
from zobench.leaderboard.hashes import settings_hash
from zobench.user_file import is_file

MANY = 10  # problems of unknown dimension, all subsets of which are tried
KINDS = ("best", "current")  # what may reach a target, if a suite leaves it to the objective

ProblemSpecs = tuple[ProblemSpec, ...]


@dataclass
class SuiteFacts:
    """The facts that the rows of a suite must agree with; each is computed once."""

    suite: Suite
    _problems: dict[tuple[str, int], dict[str, ProblemSpecs]] = field(default_factory=dict)
    _hashes: dict[tuple, str] = field(default_factory=dict)

    def problems(self, group: str, dimension: int) -> dict[str, ProblemSpecs]:
        """Return `problems_by_hash` for a group and dimension."""
        if dimension not in {p.settings["dim"] for p in self.suite.problems if "dim" in p.settings}:
            dimension = 0  # of no setting: whatever the row says
        key = group, dimension
        if key not in self._problems:
            self._problems[key] = problems_by_hash(self.suite, group, dimension)
        return self._problems[key]

    def settings_hash(
        self, problems: ProblemSpecs, estimator: EstimatorSpec, baseline: Baseline | None
    ) -> str:
        """Return the hash of the settings that `specs_of` gives."""
        ids = tuple(problem.id for problem in problems)
        key = (ids, estimator.entry, repr(estimator.settings), baseline)
        if key not in self._hashes:
            specs = specs_of(self.suite, problems, estimator, baseline)
            self._hashes[key] = settings_hash(specs)
        return self._hashes[key]


def suite_facts(name: str, own: SuiteFacts | None) -> SuiteFacts:
    """Return the facts of a suite. Raises BadInput if it is neither `own` nor ships."""
    if own is not None and own.suite.name == name:
        return own
    if name not in suite_files():
        raise unknown("suite", name, [*suite_files(), *([own.suite.name] if own else [])])
    return _shipped(name)


def problems_by_hash(suite: Suite, group: str, dimension: int) -> dict[str, ProblemSpecs]:
    """Map targets_hash to the problems that a row of a group and dimension may be about.

    Objectives with a setting `dim` say their dimension: all problems of it, or none. Others know it
    when they are built, which is costly: there the hash tells which of the group's problems it is.
    """
    members = [p for p in suite.problems if p.group == group]
    sized = [p for p in members if p.settings.get("dim") == dimension]
    result: dict[str, ProblemSpecs] = {}
    for more in _subsets([p for p in members if "dim" not in p.settings]):
        problems = tuple(p for p in members if p in sized or p in more)
        for digest in _digests(problems) if problems else ():
            result.setdefault(digest, problems)
    return result


def estimator_of(method: str) -> EstimatorSpec | None:
    """Parse the estimator that a row names; None for one of a file, which only a rerun executes.

    Raises:
        BadInput: the name or a setting does not exist, or the file is not here.
    """
    stem, colon, rest = method.partition(".py:")
    if not colon:
        return parse_estimator(method)
    path = Path(f"{stem}.py")
    if path.is_absolute() or ".." in path.parts or "\\" in stem:
        raise BadInput(f"{str(path)!r}: name the file from the repository's root")
    if not is_file(path):
        raise BadInput(f"there is no file {str(path)!r} here; submit it with the row")
    if not rest.partition(":")[0]:
        raise BadInput(f"{method!r}: say which estimator of the file, as in '{path}:Name'")
    return None


def specs_of(
    suite: Suite,
    problems: Sequence[ProblemSpec],
    estimator: EstimatorSpec,
    baseline: Baseline | None,
) -> list[RunSpec]:
    """Return the first run of an estimator on each problem, with the settings of its track.

    As `harness.plan`, but the estimator is not built. `baseline`: None for settings that are not
    tuned. Raises BadInput.
    """
    groups = dict.fromkeys(p.group for p in problems)
    of_suite = suite.estimators.get(estimator.entry, {})
    settled_of = {group: settled(estimator, baseline, group, of_suite) for group in groups}
    return [
        RunSpec(
            suite=suite.name,
            suite_version=suite.version,
            problem=problem,
            estimator=settled_of[problem.group],
            repetition=0,
        )
        for problem in problems
    ]


def repetitions(problems: Sequence[ProblemSpec], runs: int) -> int | None:
    """Return how many repetitions of each problem make that many runs; None if no number does."""
    for count in range(1, max(p.repetitions for p in problems) + 1):
        if sum(min(count, p.repetitions) for p in problems) == runs:
            return count
    return None


@cache
def _shipped(name: str) -> SuiteFacts:
    return SuiteFacts(load(name))


def _subsets(problems: list[ProblemSpec]) -> Iterator[ProblemSpecs]:
    """Yield none, all, then ever smaller parts; of many problems only those that share a value."""
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
    """Yield the hash of the targets for each way in which the objectives may be scored."""
    import pandas as pd

    unscored = list(dict.fromkeys(p.objective for p in problems if not p.scored))
    for kinds in itertools.product(KINDS, repeat=len(unscored)):
        kind_of = dict(zip(unscored, kinds))
        targets = [
            {
                "problem": p.id,
                "target_index": index,
                "target": target,
                "kind": p.scored or kind_of[p.objective],
                "budget": p.budget,
            }
            for p in problems
            for index, target in enumerate(p.targets)
        ]
        yield targets_hash(pd.DataFrame(targets))
