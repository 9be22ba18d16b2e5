"""Comparisons of two estimators in plain words. Every factor comes with its interval."""

from __future__ import annotations

import math
from typing import Any

from zobench.analysis.speedup import ProblemSpeedup, Speedup
from zobench.analysis.successes import success_test

NAMED = 3  # problems that a sentence names; more are only counted


def pair_sentence(
    queries: Speedup, seconds: Speedup, names: tuple[str, str], target: str, scope: str = ""
) -> str:
    """Describe `queries.a` against `queries.b` at one target per problem, in one or two sentences.

    An example is "mezo-bcd reaches the target 1.8x [1.4, 2.3] sooner than mezo in queries, ...".

    Args:
        queries: the speed-up in queries.
        seconds: the speed-up in seconds.
        names: the names of a and b in the sentence.
        target: the name of the target in the sentence.
        scope: the problems, such as "on 3/4 problems"; "": those of `queries`.
    """
    a, b = names
    if not queries.compared:
        return f"{a} and {b} are not compared: {_no_runs(queries, names)}."
    if not queries.count("both"):
        return _without_ratio(queries, names, target) + _left_out(queries, names)
    scope = scope or _scope(queries)
    if queries.too_few:
        runs = [f"{p.runs_a} against {p.runs_b} on {p.problem}" for p in queries.problems[:3]]
        more = ", ..." if len(queries.problems) > 3 else ""
        text = (
            f"Too few runs to tell {a} and {b} apart ({', '.join(runs)}{more}); "
            "make more repetitions"
        )
    elif queries.shown:
        winner, loser = (a, b) if queries.shown > 0 else (b, a)
        sooner = with_interval(queries, queries.shown)
        text = (
            f"{winner} reaches {target} {sooner} sooner than {loser} "
            f"in queries{_seconds(queries, seconds, queries.shown, names, scope)}"
        )
    else:
        text = (
            f"No difference shown between {a} and {b} in queries to {target} (speed-up of {a} "
            f"{with_interval(queries)}){_seconds(queries, seconds, 0, names, scope)}"
        )
    return text + _other_problems(queries, names) + "." + _left_out(queries, names)


def factor(value: float) -> str:
    """Format a factor: 1.8, 12, 0.85, inf; near 1 with enough decimals to show the side."""
    if math.isinf(value) or math.isnan(value):
        return str(value)
    if 0.95 < value < 1.05:
        texts = (f"{value:.{digits}f}" for digits in (3, 4, 5, 6))
        return next((text for text in texts if float(text) != 1), "1")
    if value >= 10:
        return f"{value:,.0f}" if value < 1e6 else f"{value:.1e}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def too_few_to_differ(speedup: Speedup) -> bool:
    """Return True if even all successes against none would not be a significant difference.

    Problems without a success do not count.
    """
    ran = [(p.runs_a, p.runs_b) for p in speedup.problems if p.successes_a + p.successes_b]
    return success_test((a, a, 0, b) for a, b in ran) > 1 - speedup.level


def with_interval(speedup: Speedup, side: int = 1) -> str:
    """Format ratio and interval of `a` against `b` (side 1) or of `b` against `a` (side -1)."""
    s = speedup if side > 0 else speedup.mirrored()
    return f"{factor(s.ratio)}x [{factor(s.low)}, {factor(s.high)}]"


def _scope(speedup: Speedup) -> str:
    if len(speedup.problems) == 1:
        return f"on {speedup.problems[0].problem}"
    problems = [p.problem for p in speedup.problems if p.outcome == "both"]
    text = f"on {len(problems)}/{speedup.compared} problems"
    few = len(problems) <= NAMED and len(problems) < speedup.compared
    return f"{text} ({', '.join(problems)})" if few else text


def where_seconds(queries: Speedup, seconds: Speedup) -> str:
    """Return the words for seconds, with the number of problems if it is lower than for queries."""
    both, all_of = seconds.count("both"), queries.count("both")
    return "in seconds" if both == all_of else f"in seconds (on only {both})"


def _seconds(
    queries: Speedup, seconds: Speedup, side: int, names: tuple[str, str], scope: str
) -> str:
    """The part on seconds of a sentence whose winner in queries is `side` (0: none)."""
    if not seconds.count("both"):
        return f", {scope}; seconds are not compared"
    in_seconds = where_seconds(queries, seconds)
    if seconds.shown == side != 0:
        return f", {with_interval(seconds, side)} {in_seconds}, {scope}"
    if seconds.shown:
        winner = names[0] if seconds.shown > 0 else names[1]
        but = f"but {in_seconds}" if side else in_seconds
        return f", {scope}; {but} {winner} is {with_interval(seconds, seconds.shown)} sooner"
    if not side:
        return f", nor {in_seconds} ({with_interval(seconds)}), {scope}"
    name = names[0] if side > 0 else names[1]
    none = f"no difference shown {in_seconds} (speed-up of {name} {with_interval(seconds, side)})"
    return f", {scope}; {none}"


def _without_ratio(speedup: Speedup, names: tuple[str, str], target: str) -> str:
    """The sentence if no problem was reached by both."""
    a, b = names
    alone = [_alone(speedup, which, name) for which, name in (("only_a", a), ("only_b", b))]
    count = speedup.compared
    scope = "on the problem" if count == 1 else f"on any of the {count} problems"
    if not any(alone):
        ran = [p for p in speedup.problems if p.outcome != "missing"]
        runs = f"{sum(p.runs_a for p in ran)} and {sum(p.runs_b for p in ran)} runs"
        return f"Neither {a} nor {b} reached {target} {scope} ({runs})."
    text = f"{target[0].upper()}{target[1:]} was reached by {' and by '.join(filter(None, alone))}"
    if speedup.success_p > 1 - speedup.level:
        few = "runs" if too_few_to_differ(speedup) else "successes"
        p = f"p = {speedup.success_p:.2g}"
        if all(alone) and few == "successes":
            return f"{text}: neither is shown to reach it more often, all together ({p})."
        advice = "; make more repetitions" if few == "runs" else ""
        return f"{text}: too few {few} to tell them apart ({p}){advice}."
    return f"{text}: no factor can be given (successes differ, p = {speedup.success_p:.1g})."


def _other_problems(speedup: Speedup, names: tuple[str, str]) -> str:
    """The problems that are not in the mean."""
    parts = []
    for which, name, behind in (("only_a", names[0], -1), ("only_b", names[1], 1)):
        if text := _alone(speedup, which, name):
            but = "but " if speedup.shown == behind else ""
            parts.append(but + text.replace(" alone", " alone reached it", 1))
    if neither := speedup.count("neither"):
        parts.append(f"neither reached it on {neither}")
    return "".join(f"; {part}" for part in parts)


def _alone(speedup: Speedup, which: str, name: str) -> str:
    rows = [p for p in speedup.problems if p.outcome == which]
    if not rows:
        return ""
    own, other = _counts(rows, which == "only_a"), _counts(rows, which != "only_a")
    scope = rows[0].problem if len(rows) == 1 else f"{len(rows)} problems"
    return f"{name} alone on {scope} ({own} runs against {other})"


def _counts(rows: list[ProblemSpeedup], of_a: bool) -> str:
    if of_a:
        return f"{sum(p.successes_a for p in rows)}/{sum(p.runs_a for p in rows)}"
    return f"{sum(p.successes_b for p in rows)}/{sum(p.runs_b for p in rows)}"


def _left_out(speedup: Speedup, names: tuple[str, str]) -> str:
    count = speedup.count("missing")
    return f" Not compared on {count}: {_no_runs(speedup, names)}." if count else ""


def _no_runs(speedup: Speedup, names: tuple[str, str]) -> str:
    """The estimators without runs on the problems that were not compared."""
    rows = [p for p in speedup.problems if p.outcome == "missing"]
    without = [
        name
        for name, runs in zip(names, ([p.runs_a for p in rows], [p.runs_b for p in rows]))
        if not rows or 0 in runs
    ]
    if len(without) == 2 and all(p.runs_a or p.runs_b for p in rows) and rows:
        return "no problem that both ran"
    return f"no runs of {' and '.join(without)}" if without else "not all lengths were measured"


def alone_sentence(name: str, summary: Any, runs_made: int, planned: int) -> str:
    """Describe the results of a single estimator in a sentence or two.

    Args:
        name: the estimator.
        summary: the data frame of `analysis.table`.
        runs_made: the number of runs that were not skipped.
        planned: the number of all runs.
    """
    if not runs_made:
        return f"{name} made no run: all {planned} were skipped, for the reasons below."
    solved, runs = (summary["final_successes"] > 0).sum(), summary["final_successes"].sum()
    return (
        f"{name} reached the final target on {int(solved)} of {len(summary)} problems, in "
        f"{int(runs)} of {runs_made} runs. It takes two estimators to say which is sooner."
    )
