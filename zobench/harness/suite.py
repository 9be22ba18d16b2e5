"""Suites: lists of problems with budgets, targets and repetitions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from zobench.errors import unknown

if TYPE_CHECKING:
    from zobench.harness.suite_file import SuiteSource

DEFAULT_SUITE = "look"  # of compare, run and report


@dataclass(frozen=True, kw_only=True)
class ProblemSpec:
    """An objective with its settings, and the limits and targets of its runs."""

    id: str
    objective: str  # a registered name, or /full/path.py:name
    version: str  # of the objective
    settings: dict[str, Any]  # all of them, defaults included, but for the instance
    budget: int  # queries per run
    repetitions: int
    targets: tuple[float, ...]  # score values, from the easiest to the hardest
    scored: str = ""  # which point reaches a target, "current" or "best"; "": as the problem says
    group: str = ""  # the family of problems, for tables and tuned settings
    instances: tuple[int, ...] = ()  # repetition r has settings["instance"] = instances[r]
    time_limit: float | None = None  # seconds of wall clock for the steps of a run
    memory_limit: float | None = None  # MiB above what the process had before the run
    how: str = ""  # how the targets were chosen
    threads: int = 1  # per run, of each library that computes; more do not help small operations
    tuned_on: str = ""  # the suite whose tuned settings its runs take; "": its own
    score_ratio: float = 0.0  # of the queries at two scores in a row; 0: as the problem says

    def __post_init__(self) -> None:
        # Lists as in JSON, so that a stored problem equals that of its suite.
        settings = {k: list(v) if isinstance(v, tuple) else v for k, v in self.settings.items()}
        object.__setattr__(self, "settings", settings)

    def instance(self, repetition: int) -> int | None:
        """Return the instance of a repetition; None if the objective has none.

        Repetitions past the list get new, larger numbers, so that tuning, which uses far
        repetitions, never meets an instance that is scored.
        """
        if not self.instances:
            return None
        beyond = repetition - len(self.instances)
        return self.instances[repetition] if beyond < 0 else max(self.instances) + 1 + beyond

    def settings_of(self, repetition: int) -> dict[str, Any]:
        """Return the objective's settings, with the instance of a repetition."""
        instance = self.instance(repetition)
        return self.settings | ({} if instance is None else {"instance": instance})


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Problems under a name and a version, which rises if results must not be compared."""

    name: str
    version: str
    description: str
    problems: tuple[ProblemSpec, ...]
    estimators: dict[str, dict[str, Any]] = field(default_factory=dict)  # settings in this suite
    file: str = ""  # the full path, if the suite does not ship with zobench
    source: SuiteSource | None = field(default=None, repr=False, compare=False)  # for error texts

    def problem(self, id: str) -> ProblemSpec:
        """Return the problem of an id. Raises BadInput that names a similar id."""
        for problem in self.problems:
            if problem.id == id:
                return problem
        raise unknown(f"problem in suite {self.name!r}", id, [p.id for p in self.problems])

    def pick(self, patterns: tuple[str, ...] | list[str]) -> Suite:
        """Return the suite with the problems whose id matches a glob; all without `patterns`.

        Raises BadInput for a pattern that matches nothing.
        """
        ids = [p.id for p in self.problems]
        for pattern in patterns:
            if not any(fnmatchcase(id, pattern) for id in ids):
                raise unknown(f"problem in suite {self.name!r}", pattern, ids)
        matching = [p for p in self.problems if any(fnmatchcase(p.id, g) for g in patterns)]
        return replace(self, problems=tuple(matching)) if patterns else self
