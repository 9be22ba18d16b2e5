"""The result of a run: status, meters, the trace of its score, and the targets it hit."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zobench.core.oracle import Oracle
    from zobench.core.problem import Problem

from zobench.errors import BadInput

NAN = float("nan")

# A run with one of these is not run again on resume; failed, timeout and oom are.
SETTLED = frozenset(["ok", "target", "budget", "diverged", "skipped"])
FAILED = ("failed", "timeout", "oom")
RUNNING = "running"  # of a report of a run in progress
LARGEST = 1 << 63  # of a whole number in the results file

Hit = tuple[str, int, float, int, float]  # kind, index of the target, target, queries, seconds
TraceRow = tuple[
    int, float, float, float
]  # queries, seconds, score of the point, best evaluated score


@dataclass
class RunResult:
    """A finished run, whatever its status."""

    key: str
    status: str  # ok, target, budget, diverged, failed, timeout, oom or skipped
    reason: str = ""  # one line; empty if the status says all
    missing: str = ""  # a package that is not installed: the run is made again once it is
    queries: int = 0
    calls: int = 0  # of `evaluate`, each with one or more probes
    samples: int = 0
    forward_equivalents: float = 0.0
    estimator_seconds: float = 0.0
    objective_seconds: float = 0.0
    peak_memory: float = NAN  # bytes of the steps, above base: see meters.py
    memory_ratio: float = NAN  # (peak of steps - base) / (peak of evaluation only - base)
    state_bytes: float = NAN  # of the arrays that the estimator holds at the end, without the point
    memory_kind: str = (
        ""  # how peak_memory was measured: process, cuda, traced, or "" if it was not
    )
    final_score: float = NAN  # of the point where the run ended, or where it was last scored
    best_score: float = NAN  # of the best evaluated point, where the problem knows it
    scored: str = ""  # the kind of hit that ends the run: "current" or "best"
    score_name: str = ""  # the entry of `scores` that targets refer to
    build_seconds: float = NAN  # until the first step: loading, building, the first score
    score_seconds: float = NAN  # of scoring after that, which is off the clock
    dimension: int | None = None
    first_order: bool = False
    started: str = ""  # UTC
    describe: dict[str, Any] = field(default_factory=dict)  # the problem's facts
    scores: dict[str, float] = field(default_factory=dict)  # everything the problem scores, at end
    hits: list[Hit] = field(default_factory=list)
    trace: list[TraceRow] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """True if the run need not be made again."""
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
    def from_plain(cls, data: Any) -> RunResult:
        """The result of what JSON gave. Raises ValueError or TypeError where it is not one."""
        result = cls(**data)
        for kind, names in KINDS.items():
            for name in names:
                _check(name, getattr(result, name), kind)
        if result.status not in (*SETTLED, *FAILED, RUNNING):
            raise ValueError(f"there is no status {result.status!r}")
        if result.dimension is not None:
            _check("dimension", result.dimension, int)
        result.hits = [_row("hits", hit, (str, int, float, int, float)) for hit in result.hits]
        result.trace = [_row("trace", row, (int, float, float, float)) for row in result.trace]
        return result

    @classmethod
    def from_json(cls, text: str | bytes) -> RunResult:
        """The inverse of `to_json`."""
        return cls.from_plain(json.loads(text))


KINDS: dict[type, tuple[str, ...]] = {
    str: ("key", "status", "reason", "missing", "scored", "score_name", "started", "memory_kind"),
    int: ("queries", "calls", "samples"),
    float: (
        *("forward_equivalents", "estimator_seconds", "objective_seconds"),
        *("peak_memory", "memory_ratio", "state_bytes", "final_score", "best_score"),
        *("build_seconds", "score_seconds"),
    ),
    bool: ("first_order",),
    dict: ("describe", "scores"),
    list: ("hits", "trace"),
}


def _check(name: str, value: Any, kind: type) -> None:
    """Raises ValueError unless the store can take the value, and give it back."""
    kinds = (int, float) if kind is float else kind
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name} is a {type(value).__name__}, not a {kind.__name__}")
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        raise ValueError(f"{name} is a whole number of more than 64 bits")
    if isinstance(value, str):
        value.encode()  # UnicodeEncodeError is a ValueError
        if "\0" in value:
            raise ValueError(f"{name} holds the character 0")


def _row(name: str, row: Any, kinds: tuple[type, ...]) -> Any:
    if len(row) != len(kinds):
        raise ValueError(f"a row of {name} has {len(row)} values, not {len(kinds)}")
    for value, kind in zip(row, kinds):
        if kind is not float or type(value) is not float:  # most values are
            _check(f"a value of {name}", value, kind)
    return tuple(row)


def plain(value: Any) -> Any:
    """Convert a value for JSON: NumPy's numbers and arrays to Python's, anything else to text.

    Raises BadInput for numbers that Python does not have.
    """
    if not hasattr(value, "tolist"):
        return str(value)
    number = value.tolist()
    if type(number) is type(value):
        kind = f"{type(value).__module__}.{type(value).__name__}"
        raise BadInput(f"a {kind} cannot be stored: losses and scores must be float64")
    return number
