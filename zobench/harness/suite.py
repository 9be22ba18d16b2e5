"""Suite: a list of problems with budget, targets and seeds, read from suites/<name>.toml."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from zobench.errors import unknown


@dataclass(frozen=True)
class ProblemSpec:
    """An objective with its settings, and how its runs are limited and judged."""

    id: str
    objective: str  # a registered name, or /full/path.py:name
    version: str  # of the objective
    settings: dict[str, Any]  # all of them, defaults included, but for the instance
    budget: int  # queries a run
    repetitions: int
    targets: tuple[float, ...]  # score values, from the easiest to the hardest
    scored: str = ""  # what reaches a target: "current" or "best" point; "": as the problem says
    group: str = ""  # a label of family, for tables and tuned settings
    instances: tuple[int, ...] = ()  # repetition r runs settings["instance"] = instances[r]
    time_limit: float | None = None  # seconds of wall clock for the steps of a run
    memory_limit: float | None = None  # MiB above what the process had before the run
    how: str = ""  # how the targets were chosen
    threads: int = 1  # of each library that computes, per run; small operations gain from no more

    def __post_init__(self) -> None:
        # as JSON keeps them, so that a stored problem equals that of its suite
        kept = {k: list(v) if isinstance(v, tuple) else v for k, v in self.settings.items()}
        object.__setattr__(self, "settings", kept)

    def instance(self, repetition: int) -> int | None:
        """The instance of a repetition; those beyond the list are new ones.

        So tuning, which uses far repetitions, never sees an instance that is scored.
        """
        if not self.instances:
            return None
        beyond = repetition - len(self.instances)
        return self.instances[repetition] if beyond < 0 else max(self.instances) + 1 + beyond

    def settings_of(self, repetition: int) -> dict[str, Any]:
        """The objective's settings, with the instance of this repetition."""
        instance = self.instance(repetition)
        return self.settings | ({} if instance is None else {"instance": instance})


@dataclass(frozen=True)
class Suite:
    """A name, a version that is raised when results must not be compared, and problems."""

    name: str
    version: str
    description: str
    problems: tuple[ProblemSpec, ...]
    file: str = ""  # the full path of a suite of the user's own

    def problem(self, id: str) -> ProblemSpec:
        """The problem of that id. Raises BadInput with a near one."""
        for problem in self.problems:
            if problem.id == id:
                return problem
        raise unknown(f"problem in suite {self.name!r}", id, [p.id for p in self.problems])

    def pick(self, patterns: tuple[str, ...] | list[str]) -> Suite:
        """The problems whose id matches one of the globs, in the suite's order; none given: all.

        Raises BadInput when a pattern matches nothing.
        """
        ids = [p.id for p in self.problems]
        for pattern in patterns:
            if not any(fnmatchcase(id, pattern) for id in ids):
                raise unknown(f"problem in suite {self.name!r}", pattern, ids)
        kept = [p for p in self.problems if any(fnmatchcase(p.id, g) for g in patterns)]
        return replace(self, problems=tuple(kept)) if patterns else self
