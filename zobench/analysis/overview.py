"""Verdict for three or more estimators: those that the best one beats, and those it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zobench.analysis.sentences import too_few_to_differ, where_seconds, with_interval
from zobench.analysis.speedup import Speedup

FEW = "too few runs"
REFERENCE = "first-order reference, not ranked"


@dataclass(frozen=True)
class PairSpeedups:
    """The speed-ups of `queries.a` against `queries.b`.

    Attributes:
        queries: in queries, at the final targets.
        seconds: in seconds, at the final targets.
        easier: in queries and seconds, at easier targets that both reach; None without these.
        is_reference: True if b is a first-order reference and a is not.
    """

    queries: Speedup
    seconds: Speedup
    easier: tuple[Speedup, Speedup] | None
    is_reference: bool


def overview(pairs: Sequence[PairSpeedups], level: float) -> list[str]:
    """Return a line for each outcome: sooner than, later than, not shown, not compared.

    Args:
        pairs: pairs with the same `a`.
        level: at which their intervals hold jointly.
    """
    names: dict[str, list[str]] = {"ahead": [], "behind": [], "open": [], "apart": []}
    for pair in pairs:
        outcome, details = _outcome(pair)
        details += [REFERENCE] if pair.is_reference else []
        names[outcome].append(f"{pair.queries.b} ({', '.join(details)})")
    a = pairs[0].queries.a
    lines = []
    if names["ahead"]:
        lines.append(
            f"{a} is shown to reach the targets sooner than {_enumeration(names['ahead'])}."
        )
    if names["behind"]:
        lines.append(
            f"Shown to reach the targets sooner than {a}: {_enumeration(names['behind'])}."
        )
    if lines:
        lines[-1] += f" All comparisons hold together at {level:.0%}."
    if names["open"]:
        others = _enumeration(names["open"], "or")
        lines.append(f"At the final targets, no difference is shown between {a} and {others}.")
        if FEW in others:
            lines[-1] += " More repetitions may tell."
    if names["apart"]:
        lines.append(f"Not compared with {a}: {_enumeration(names['apart'])}.")
    return lines


def _outcome(pair: PairSpeedups) -> tuple[str, list[str]]:
    """The outcome of `a` against `b`, and the numbers that show it."""
    queries = pair.queries
    if not queries.compared:
        return "apart", ["no problem that both ran"]
    if queries.count("both") and queries.shown:
        return _side(queries.shown), [*_factors(queries, pair.seconds), _scope(queries)]
    if not queries.count("both") and queries.success_p <= 1 - queries.level:
        of_a, of_b = _runs(queries)
        side = 1 if of_a[0] * of_b[1] > of_b[0] * of_a[1] else -1
        return _side(side), [_counts(queries, side)]
    if pair.easier and pair.easier[0].shown:
        near, target = pair.easier[0], "at the hardest targets that both reach in half their runs"
        return _side(near.shown), [*_factors(*pair.easier), _scope(near), target]
    return "open", _why_open(queries)


def _why_open(queries: Speedup) -> list[str]:
    if queries.count("both") and queries.too_few:
        return [FEW]
    if queries.count("both"):
        return [f"speed-up {with_interval(queries)}", _scope(queries)]
    (hits_a, _), (hits_b, _) = _runs(queries)
    if not hits_a + hits_b:
        return ["neither reaches the final target"]
    return [_counts(queries, 1), *[FEW] * too_few_to_differ(queries)]


def _factors(queries: Speedup, seconds: Speedup) -> list[str]:
    """The factors of the winner in queries, and in seconds if these are shown to differ."""
    side = queries.shown
    parts = [f"{with_interval(queries, side)} in queries"]
    if seconds.shown == side:
        parts.append(f"{with_interval(seconds, side)} {where_seconds(queries, seconds)}")
    elif seconds.shown:
        other = queries.b if side > 0 else queries.a
        parts.append(
            f"but {where_seconds(queries, seconds)} {other} by {with_interval(seconds, -side)}"
        )
    return parts


def _scope(queries: Speedup) -> str:
    """The problems of the factor, and the successes on the others."""
    if len(queries.problems) == 1:
        return f"on {queries.problems[0].problem}"
    text = f"on {queries.count('both')}/{queries.compared} problems"
    alone = [
        f"{name} alone on {count}"
        for name, count in (
            (queries.a, queries.count("only_a")),
            (queries.b, queries.count("only_b")),
        )
        if count
    ]
    loser = "only_b" if queries.shown > 0 else "only_a"
    if queries.shown and queries.count(loser):  # sooner, but not more often: report both
        alone.append(f"it {_counts(queries, queries.shown)}")
    return ", ".join([text, *alone])


def _counts(queries: Speedup, side: int) -> str:
    """Successes of the winner, then of the other."""
    (x, n), (y, m) = _runs(queries)[::side]
    return f"reached in {x}/{n} runs against {y}/{m}"


def _runs(queries: Speedup) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (successes, runs) of a and of b, on the problems that both ran."""
    ran = [p for p in queries.problems if p.outcome != "missing"]
    return (
        (sum(p.successes_a for p in ran), sum(p.runs_a for p in ran)),
        (sum(p.successes_b for p in ran), sum(p.runs_b for p in ran)),
    )


def _side(side: int) -> str:
    return "ahead" if side > 0 else "behind"


def _enumeration(items: Iterable[str], last: str = "and") -> str:
    *head, tail = items
    return f"{', '.join(head)} {last} {tail}" if head else tail
