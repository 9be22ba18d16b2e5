"""Source: the results that a report shows, and the statistics that all its formats share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from zobench.analysis.cautions import contradictions
from zobench.analysis.frames import SKIPPED, Frames, first_order
from zobench.analysis.runlengths import Unit, run_tables
from zobench.analysis.sentences import alone_sentence
from zobench.analysis.table import summary
from zobench.analysis.verdict import Verdict, verdict
from zobench.harness.memory import give_back
from zobench.results.tuning_curves import TuningCurve

TROUBLE = ("failed", "timeout", "oom", "diverged", "skipped")


# Frames whose cells are used are Any: pandas' annotations reject correct code there.


@dataclass
class Source:
    """Frames of one suite as the store gives them (`analysis.frames`), and their origin.

    Attributes:
        frames: runs, hits, traces and problems.
        environments: facts by the label in runs["environment"].
        command: the command that makes the same runs again.
        computed: "tables", "summary" and "verdict", if the caller has computed them already.
        notes: sentences after the verdict.
        basis: the sentence before the verdict: what it rests on.
        frozen: the runs that the suite's leaderboard refers to, as a run table in queries; None
            without any.
        read: returns hits or traces, if `frames` does not hold them.
        tuning: what estimators with tuned settings would have found with fewer trials.
    """

    frames: Frames
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    command: str = ""
    computed: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    frozen: pd.DataFrame | None = None
    basis: str = ""
    read: Callable[[Literal["hits", "traces"]], pd.DataFrame] | None = None
    tuning: Sequence[TuningCurve] = ()

    @property
    def runs(self) -> Any:
        """One row per run."""
        return self.frames.runs

    @property
    def problems(self) -> Any:
        """One row per target of a problem."""
        return self.frames.problems

    def hits(self) -> pd.DataFrame:
        """Return one row per target that a run hit. The table is large; `tables` reads it once."""
        return self.read("hits") if self.read else self.frames.hits

    def traces(self) -> pd.DataFrame:
        """Return one row per scored point of a run. The table is large; a report reads it once."""
        return self.read("traces") if self.read else self.frames.traces

    @property
    def estimators(self) -> list[str]:
        """Estimators, in the order of the plan."""
        return [str(name) for name in self.runs["estimator"].unique()]

    @property
    def runs_made(self) -> int:
        """Number of runs that were not skipped."""
        return int((self.runs["status"] != SKIPPED).sum())

    @property
    def references(self) -> dict[str, bool]:
        """Estimator -> True if it is a first-order reference."""
        return first_order(self.runs)

    @property
    def suite(self) -> str:
        """Name and version of the suite."""
        rows = self.problems if len(self.problems) else self.runs
        if not len(rows):
            return ""
        version = f" {rows['suite_version'].iloc[0]}" if "suite_version" in rows else ""
        return f"{rows['suite'].iloc[0] if 'suite' in rows else ''}{version}".strip()

    @cached_property
    def tables(self) -> dict[Unit, Any]:
        """The run tables in queries and seconds; see `analysis.runlengths.run_tables`."""
        if "tables" in self.computed:
            return self.computed["tables"]
        tables = run_tables(self.runs, self.hits(), self.problems)
        give_back()
        return tables

    @cached_property
    def summary(self) -> Any:
        """The table of results; see `analysis.table.summary`. Empty without runs."""
        if "summary" in self.computed:
            return self.computed["summary"]
        if not len(self.runs):
            return pd.DataFrame()
        return summary(self.runs, self.problems, self.tables)

    @cached_property
    def verdict(self) -> Verdict | None:
        """The verdict; see `analysis.verdict`. None for fewer than two estimators."""
        if "verdict" in self.computed:
            return self.computed["verdict"]
        if len(self.estimators) < 2:
            return None
        return verdict(self.runs, self.problems, self.tables)

    @cached_property
    def ranked(self) -> list[str]:
        """All estimators: the best ranked first, those without a rank last."""
        ranking = self.verdict.ranking if self.verdict else None
        first = list(ranking.names) if ranking else []
        return [*first, *(name for name in self.estimators if name not in first)]

    @property
    def title(self) -> str:
        """The heading: the estimators and the suite."""
        names = self.estimators
        suite = str(self.runs["suite"].iloc[0]) if names else ""
        if not names:
            return "No runs yet"
        if len(names) > 5:
            return f"{len(names)} estimators on {suite}"
        text = ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
        return f"{text} on {suite}"

    def lines(self) -> list[str]:
        """Return the verdict in plain words, one line per paragraph; never empty."""
        basis = [self.basis] if self.basis else []
        against = contradictions(self.summary, self.runs) if self.estimators else []
        return [*basis, *self._verdict_lines(), *against, *self.notes]

    def _verdict_lines(self) -> list[str]:
        if self.verdict:
            return list(self.verdict.lines)
        if not self.estimators:
            return ["There are no runs: nothing can be said yet."]
        return [alone_sentence(self.estimators[0], self.summary, self.runs_made, len(self.runs))]
