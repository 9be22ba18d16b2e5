"""The data frames of results: their columns, and checks of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zobench.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

SKIPPED = "skipped"
FAILED = ("diverged", "failed", "timeout", "oom")  # statuses of runs that a fault ended early
STATUSES = ("ok", "target", "budget", *FAILED, SKIPPED)

RUN_COLUMNS = (
    "run_key", "suite", "problem", "instance", "estimator", "repetition", "seed", "status",
    "queries", "seconds",
)  # fmt: skip
HIT_COLUMNS = ("run_key", "kind", "target_index", "queries", "seconds")
_NUMBER = re.compile(r"-?\d[\d,.]*(?:e[+-]?\d+)?")
PROBLEM_COLUMNS = ("problem", "group", "dimension", "budget", "target_index", "target", "kind")


@dataclass(frozen=True)
class Frames:
    """The four data frames of results; `harness.tables` describes their columns.

    Attributes:
        runs: one row per run.
        hits: one row per target that a run hit.
        traces: one row per scored point of a run; without rows where a command does not need them.
        problems: one row per target of a problem.
    """

    runs: pd.DataFrame
    hits: pd.DataFrame
    traces: pd.DataFrame
    problems: pd.DataFrame

    def select(self, runs: pd.DataFrame) -> Frames:
        """Return `runs`, some of the runs, with their hits and traces, and all problems."""
        keys = list(set(runs["run_key"]))
        hits, traces = (
            frame[frame["run_key"].isin(keys)].reset_index(drop=True) if len(frame) else frame
            for frame in (self.hits, self.traces)
        )
        return replace(self, runs=runs, hits=hits, traces=traces)


def require(frame: pd.DataFrame, name: str, columns: Iterable[str]) -> None:
    """Raise BadInput if the data frame called `name` lacks a column."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise BadInput(f"the data frame {name!r} lacks {', '.join(missing)}")


def check(runs: pd.DataFrame, hits: pd.DataFrame, problems: pd.DataFrame) -> None:
    """Raise BadInput if statistics cannot be computed from the frames.

    Columns must be complete, runs of one suite and without doubles, statuses and problems known.
    """
    require(runs, "runs", RUN_COLUMNS)
    require(hits, "hits", HIT_COLUMNS)
    require(problems, "problems", PROBLEM_COLUMNS)
    suites = runs["suite"].unique()
    if len(suites) > 1:
        raise BadInput(f"runs of {len(suites)} suites ({', '.join(map(str, suites))}); give one")
    statuses = set(runs["status"]) - set(STATUSES)
    if statuses:
        raise BadInput(f"unknown status {sorted(statuses)[0]!r}; known: {', '.join(STATUSES)}")
    unknown = set(runs["problem"]) - set(problems["problem"])
    if unknown:
        raise BadInput(f"runs of problem {sorted(unknown)[0]!r}, which has no targets in problems")
    cell = ["problem", "estimator", "repetition"]
    doubles = runs.loc[runs.duplicated(cell), cell]
    if len(doubles):
        problem, estimator, repetition = doubles.to_numpy()[0]
        raise BadInput(
            f"two runs of {estimator!r} on {problem!r} with repetition {repetition}; keep one"
        )
    if problems.duplicated(["problem", "target_index"]).any():
        raise BadInput("a problem has two targets of the same index")


def score_name(runs: pd.DataFrame) -> str:
    """Return the name of the score that targets refer to, such as "gap"; "score" if unknown.

    Runs of earlier layouts of results lack it: there it is the first score that equals the final
    one.
    """
    if "score_name" in runs:
        names = [name for name in runs["score_name"] if isinstance(name, str) and name]
        if names:
            return str(names[0])
    if "scores" not in runs:
        return "score"
    for text, final in zip(runs["scores"], runs["final_score"]):
        values = json.loads(text) if isinstance(text, str) and text else {}
        for name, value in values.items():
            if value == final:
                return str(name)
    return "score"


def first_order(runs: pd.DataFrame) -> dict[str, bool]:
    """Map each estimator to True if it is a first-order reference, in the order of `runs`.

    One run with True decides, since a run that failed early may lack the value.
    """
    if "first_order" not in runs.columns:
        return dict.fromkeys(runs["estimator"].unique(), False)
    flags = runs["first_order"].fillna(False).astype(bool)
    return {
        str(name): bool(flag)
        for name, flag in flags.groupby(runs["estimator"], sort=False).any().items()
    }


def merge_reasons(runs: pd.DataFrame) -> pd.DataFrame:
    """Replace reasons that differ in numbers alone by the first of them, with a remark.

    Reasons are merged within an estimator and a status, since the numbers differ between these.
    """
    reasons = [text if isinstance(text, str) else "" for text in runs["reason"]]
    kinds = [
        (estimator, status, _NUMBER.sub("#", text))
        for estimator, status, text in zip(runs["estimator"], runs["status"], reasons)
    ]
    texts: dict[tuple[str, str, str], list[str]] = {}
    for kind, text in zip(kinds, reasons):
        texts.setdefault(kind, []).append(text)
    merged = {
        kind: reasons[0] + " (numbers differ)" * (len(set(reasons)) > 1)
        for kind, reasons in texts.items()
    }
    return runs.assign(reason=[merged[kind] for kind in kinds])
