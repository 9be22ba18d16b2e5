"""One estimator against another: their speed-up, and what it says in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zobench.api.making import Results
from zobench.display.text import number

if TYPE_CHECKING:
    from zobench.analysis.speedup import Speedup

ALPHA = 0.05


@dataclass(frozen=True)
class Versus:
    """Speed-ups of `a` over `b`, to the final targets; easier ones where that says nothing."""

    a: str
    b: str
    queries: Speedup
    seconds: Speedup
    easier: bool  # targets: the hardest that both reach in half of their runs

    @property
    def targets(self) -> str:
        """Which target of each problem the speed-ups are to."""
        return "hardest that both reach in half of their runs" if self.easier else "final"


def versus(results: Results, a: str, b: str) -> Versus:
    """Compare `a` with `b` on all problems of the results."""
    from zobench.analysis.runlengths import at_targets, run_table
    from zobench.analysis.speedup import speedup
    from zobench.analysis.targets import final_targets, hardest_common

    tables = {
        unit: run_table(results.runs, results.hits, results.problems, unit)
        for unit in ("queries", "seconds")
    }
    targets = final_targets(results.problems)
    found = {unit: speedup(at_targets(t, targets), a, b) for unit, t in tables.items()}
    reached = found["queries"].count("neither") < found["queries"].compared
    common = {} if reached else hardest_common(tables["queries"], a, b)
    if common:
        found = {unit: speedup(at_targets(t, common), a, b) for unit, t in tables.items()}
    return Versus(a, b, found["queries"], found["seconds"], bool(common))


def verdict(pair: Versus) -> str:
    """A sentence or two: who is sooner, by how much, how sure that is, and where."""
    s, a, b = pair.queries, pair.a, pair.b
    if not s.compared:
        return f"{a} and {b} have no problem in common to compare them on."
    goal = "the hardest target that both reach" if pair.easier else "the final target"
    both = s.count("both")
    if not both and s.count("neither") == s.compared:
        return f"Neither {a} nor {b} reaches any target in half of its runs: nothing to compare."
    words = [_speed(pair, goal)] if both else []
    alone = [
        f"{name} alone reaches {'it' if words else goal} on {_problems(s.count(outcome))}"
        for name, outcome in ((a, "only_a"), (b, "only_b"))
        if s.count(outcome)
    ]
    if s.count("neither"):
        alone.append(f"neither does on {_problems(s.count('neither'))}")
    if s.count("missing"):
        alone.append(f"{_problems(s.count('missing'))} could not be compared")
    if alone:
        listed = "; ".join(alone)
        words.append(listed[0].upper() + listed[1:] if alone[0].startswith("neither") else listed)
        words[-1] += _often(s)
    return ". ".join(words) + "."


def _speed(pair: Versus, goal: str) -> str:
    s, t = pair.queries, pair.seconds
    share = f"{s.count('both')}/{s.compared} problems"
    winner, loser, back = (pair.b, pair.a, True) if s.ratio < 1 else (pair.a, pair.b, False)
    in_queries = f"{_times(s, back)} sooner than {loser} in queries"
    in_seconds = f"{_times(t, back)} in seconds"
    if s.shown:
        sure = "" if t.shown else " (not shown)"
        return f"{winner} reaches {goal} {in_queries}, {in_seconds}{sure}, on {share}"
    few = "too few runs to show a difference"
    why = few if s.too_few else "no difference in queries is shown"
    return (
        f"{pair.a} and {pair.b}: {why}; as measured, {winner} reaches {goal} {in_queries}, "
        f"{in_seconds}, on {share}"
    )


def _often(s: Speedup) -> str:
    """What the success counts say by themselves."""
    compared = [p for p in s.problems if p.outcome != "missing"]
    hits = [(p.successes_a, p.runs_a, p.successes_b, p.runs_b) for p in compared]
    of_a, runs_a, of_b, runs_b = (sum(column) for column in zip(*hits))
    if of_a * runs_b == of_b * runs_a:
        return ""
    shown = "shown" if s.success_p < ALPHA else "not shown"
    return (
        f" (runs that reach it: {s.a} {of_a} of {runs_a}, {s.b} {of_b} of {runs_b}; "
        f"that difference is {shown}, p = {s.success_p:.2g})"
    )


def _times(s: Speedup, back: bool) -> str:
    """1.8x [1.4, 2.3]; `back`: as seen from the other side."""
    ratio, low, high = (s.ratio, s.low, s.high)
    if back:
        ratio, low, high = 1 / ratio, _inverse(high), _inverse(low)
    if not math.isfinite(ratio):
        return "-"
    known = low > 0 or math.isfinite(high)
    return f"{_factor(ratio)}x" + (f" [{_factor(low)}, {_factor(high)}]" if known else "")


def _inverse(value: float) -> float:
    return math.inf if value == 0 else 1 / value


def _factor(value: float) -> str:
    """Two digits; more where they would not tell on which side of 1 it is."""
    digits = next((d for d in (2, 3, 4) if value == 1 or float(f"{value:.{d}g}") != 1), 5)
    return number(value, digits)


def _problems(count: int) -> str:
    return f"{count} problem" + "s" * (count != 1)
