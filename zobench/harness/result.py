"""What a run gave: status, meters, the trace of its score, and the targets it hit."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zobench.core.oracle import Oracle
    from zobench.core.problem import Problem

NAN = float("nan")

# A run with one of these is not run again on resume; failed, timeout and oom are.
SETTLED = frozenset(["ok", "target", "budget", "diverged", "skipped"])

Hit = tuple[str, int, float, int, float]  # kind, index of the target, target, queries, seconds
Row = tuple[int, float, float, float]  # queries, seconds, score of the point, best evaluated score


@dataclass
class RunResult:
    """One run, finished in whatever way."""

    key: str
    status: str  # ok, target, budget, diverged, failed, timeout, oom or skipped
    reason: str = ""  # one line; empty where the status says all
    missing: str = ""  # a package that is not installed: the run is made again once it is
    queries: int = 0
    calls: int = 0  # rounds: calls that asked for any number of losses at once
    samples: int = 0
    forward_equivalents: float = 0.0
    estimator_seconds: float = 0.0
    objective_seconds: float = 0.0
    peak_memory: float = NAN  # bytes of the steps, above base: see meters.py
    memory_ratio: float = NAN  # (peak of steps - base) / (peak of evaluation only - base)
    final_score: float = NAN  # of the point where the run ended, or where it was last scored
    best_score: float = NAN  # of the best evaluated point, where the problem knows it
    scored: str = ""  # the kind of hit that ends the run: "current" or "best"
    dimension: int | None = None
    first_order: bool = False
    started: str = ""  # UTC
    describe: dict[str, Any] = field(default_factory=dict)  # the problem's facts
    scores: dict[str, float] = field(default_factory=dict)  # everything the problem scores, at end
    hits: list[Hit] = field(default_factory=list)
    trace: list[Row] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Need the run not be made again?"""
        return self.status in SETTLED and not self.missing

    def measured(self, oracle: Oracle, problem: Problem, seconds: float) -> None:
        """Note what the meters say after `seconds` of steps."""
        self.queries, self.calls = oracle.queries, oracle.calls
        self.samples = int(problem.samples)
        self.forward_equivalents = float(problem.forwards)
        self.objective_seconds = oracle.seconds
        self.estimator_seconds = max(0.0, seconds - oracle.seconds)
        self.best_score = oracle.low if math.isfinite(oracle.low) else NAN

    def to_json(self) -> str:
        """One line; NaN and infinity are written as Python's json does."""
        return json.dumps(vars(self), default=plain)

    @classmethod
    def from_json(cls, text: str | bytes) -> RunResult:
        """The inverse of `to_json`."""
        data = json.loads(text)
        data["hits"] = [tuple(hit) for hit in data["hits"]]
        data["trace"] = [tuple(row) for row in data["trace"]]
        return cls(**data)


def plain(value: Any) -> Any:
    """What JSON lacks: NumPy's scalars as numbers, anything else as text."""
    return value.item() if hasattr(value, "item") else str(value)
