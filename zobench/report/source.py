"""Source: what a report is made from, and the statistics that all its forms share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from zobench.analysis.frames import SKIPPED, Frames, first_order
from zobench.analysis.runlengths import Unit, run_tables
from zobench.analysis.sentences import alone_sentence
from zobench.analysis.table import summary
from zobench.analysis.verdict import Verdict, verdict
from zobench.harness.memory import give_back

TROUBLE = ("failed", "timeout", "oom", "diverged", "skipped")


# Frames are Any where their cells are worked with: pandas' annotations reject correct code there.


@dataclass
class Source:
    """Frames of one suite as the store gives them (`analysis.frames`), and where they come from.

    `command` makes the same runs again. `environments` maps the labels in runs["environment"] to
    their facts. `known` are results of `run_tables`, `summary` and `verdict` that a caller has
    already. `notes` are sentences that end the verdict. `frozen`: the runs that the suite's
    leaderboard refers to, as a run table in queries; None without any. `read` gives hits and
    traces, where `frames` may not hold them.
    """

    frames: Frames
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    command: str = ""
    known: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    frozen: pd.DataFrame | None = None
    read: Callable[[Literal["hits", "traces"]], pd.DataFrame] | None = None

    @property
    def runs(self) -> Any:
        """One row per run."""
        return self.frames.runs

    @property
    def problems(self) -> Any:
        """One row per target of a problem."""
        return self.frames.problems

    def hits(self) -> pd.DataFrame:
        """One row per target that a run hit. They are large: `tables` read them once."""
        return self.read("hits") if self.read else self.frames.hits

    def traces(self) -> pd.DataFrame:
        """One row per scored point of a run. They are large: a report reads them once."""
        return self.read("traces") if self.read else self.frames.traces

    @property
    def estimators(self) -> list[str]:
        """Names in the order of the plan."""
        return [str(name) for name in self.runs["estimator"].unique()]

    @property
    def made(self) -> int:
        """Runs that were not skipped."""
        return int((self.runs["status"] != SKIPPED).sum())

    @property
    def references(self) -> dict[str, bool]:
        """Estimator -> is it a first-order reference?"""
        return first_order(self.runs)

    @property
    def suite(self) -> str:
        """Name and version."""
        named = self.problems if len(self.problems) else self.runs
        if not len(named):
            return ""
        version = f" {named['suite_version'].iloc[0]}" if "suite_version" in named else ""
        return f"{named['suite'].iloc[0] if 'suite' in named else ''}{version}".strip()

    @cached_property
    def tables(self) -> dict[Unit, Any]:
        """See `analysis.runlengths.run_tables`; most parts of a report start from them."""
        if "tables" in self.known:
            return self.known["tables"]
        tables = run_tables(self.runs, self.hits(), self.problems)
        give_back()
        return tables

    @cached_property
    def summary(self) -> Any:
        """See `analysis.table.summary`; no rows without runs."""
        if "summary" in self.known:
            return self.known["summary"]
        if not len(self.runs):
            return pd.DataFrame()
        return summary(self.runs, self.problems, self.tables)

    @cached_property
    def verdict(self) -> Verdict | None:
        """See `analysis.verdict`; None for fewer than two estimators."""
        if "verdict" in self.known:
            return self.known["verdict"]
        if len(self.estimators) < 2:
            return None
        return verdict(self.runs, self.problems, self.tables)

    @cached_property
    def ranked(self) -> list[str]:
        """All estimators, the best ranked first, those without a rank last."""
        ranking = self.verdict.ranking if self.verdict else None
        first = list(ranking.names) if ranking else []
        return [*first, *(name for name in self.estimators if name not in first)]

    @property
    def title(self) -> str:
        """What was compared on what."""
        names = self.estimators
        suite = str(self.runs["suite"].iloc[0]) if names else ""
        if not names:
            return "No runs yet"
        if len(names) > 5:
            return f"{len(names)} estimators on {suite}"
        listed = ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
        return f"{listed} on {suite}"

    def lines(self) -> list[str]:
        """The verdict in plain words, a paragraph a line; never empty."""
        return [*self._said(), *self.notes]

    def _said(self) -> list[str]:
        if self.verdict:
            return list(self.verdict.lines)
        if not self.estimators:
            return ["There are no runs: nothing can be said yet."]
        return [alone_sentence(self.estimators[0], self.summary, self.made, len(self.runs))]
