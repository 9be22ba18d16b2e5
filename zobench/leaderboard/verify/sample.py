"""Which rows of a leaderboard to run again: stated ones, the cheapest, or some at random."""

from __future__ import annotations

import random
from collections.abc import Sequence

from zobench.errors import BadInput
from zobench.leaderboard.verify.columns import number
from zobench.leaderboard.verify.found import FITS, Found

EVALUATION = 1e-8  # seconds of the objective that a query costs for each dimension, roughly


def parse_rows(text: str) -> list[int]:
    """Row numbers from text such as "2,5-7". Raises BadInput."""
    rows: list[int] = []
    for part in text.split(","):
        first, dash, last = (p.strip() for p in part.partition("-"))
        right = first.isdecimal() and (last.isdecimal() if dash else not last)
        if (
            not right
            or len(first + last) > 12
            or int(last or first) - int(first) not in range(10**6)
        ):
            raise BadInput(f"--rows takes row numbers such as 2,5-7, not {text!r}")
        rows += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(rows))


def cost(found: Found) -> float:
    """Seconds that the runs of a row take, roughly: a number to order rows by, no promise.

    The row's own microseconds a query, and for the objective, whose time no row holds, an amount
    that grows with the dimension.
    """
    cells = found.cells
    budgets = [p.budget for p in found.problems]
    queries = int(cells["n_runs"]) * sum(budgets) / len(budgets)
    own = number(cells, "us_per_query") * 1e-6 if cells["us_per_query"] else 1e-3
    return queries * (own + EVALUATION * int(cells["dimension"]))


def check_count(count: int) -> None:
    """Raises BadInput for a size of the sample that cannot be."""
    if count < 1:
        raise BadInput(f"--sample takes a number of rows from 1, not {count}")


def choose(
    rows: Sequence[Found], count: int, seed: int | None, wanted: Sequence[int] | None
) -> tuple[list[Found], str]:
    """(rows to run again, in order; which they are and why, in words).

    Only rows whose form fits and that have runs are chosen. `wanted` rows, else with a `seed` so
    many at random, else the cheapest. Raises BadInput for wanted rows that cannot be run.
    """
    check_count(count)
    able = [r for r in rows if r.status == FITS and int(r.cells["n_runs"])]
    if wanted is not None:
        by_number = {r.row: r for r in able}
        for row in wanted:
            if row not in by_number:
                raise BadInput(_why_not(row, rows))
        return [by_number[row] for row in wanted], "as asked"
    if len(able) <= count:
        return able, "all whose form fits and that have runs"
    if seed is not None:
        chosen = random.Random(seed).sample(able, count)
        why = f"{count} of {len(able)} at random, seed {seed}"
    else:
        chosen = sorted(able, key=lambda r: (cost(r), r.row))[:count]
        why = f"the {count} cheapest of {len(able)} by their recorded time and dimension"
    return sorted(chosen, key=lambda r: r.row), why


def _why_not(row: int, rows: Sequence[Found]) -> str:
    for found in rows:
        if found.row == row:
            return f"row {row} cannot be run again: {found.said or 'it has no runs'}"
    numbers = [found.row for found in rows]
    span = f"they go from {min(numbers)} to {max(numbers)}" if numbers else "there is none"
    return f"there is no row {row}; {span}"
