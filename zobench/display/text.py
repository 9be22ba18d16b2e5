"""Plain tables and numbers for the terminal, which read the same in a file."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Sequence

from zobench.analysis.words import CENTURY, finite

WIDEST = 100  # columns of running text
NARROWEST = 12  # characters of the first column of a table, when it is shortened
UNKNOWN = "-"


def width(default: int = WIDEST) -> int:
    """Return the columns of the terminal, or `default` for a file or a pipe."""
    return shutil.get_terminal_size((default, 24)).columns if is_terminal() else default


def is_terminal() -> bool:
    """Return True if stdout is a terminal."""
    return sys.stdout.isatty()


def bold(text: str) -> str:
    """Return the text in bold, where stdout is a terminal."""
    return f"\x1b[1m{text}\x1b[0m" if is_terminal() else text


def dim(text: str) -> str:
    """Return the text in a dim colour, where stdout is a terminal."""
    return f"\x1b[2m{text}\x1b[0m" if is_terminal() else text


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, indent: str = "  "
) -> list[str]:
    """Return the lines of a table: `left` columns aligned to the left, the others to the right.

    If the terminal is too narrow, the texts of the first column are shortened, with a mark.
    """
    sizes = _sizes(head, rows)
    sizes[0] = max(NARROWEST, sizes[0] + min(0, _spare(sizes, indent)))
    lines = []
    for row in (head, *rows):
        cells = [shortened(row[0], sizes[0]), *row[1:]]
        padded = [
            cell.ljust(size) if i < left else cell.rjust(size)
            for i, (cell, size) in enumerate(zip(cells, sizes))
        ]
        lines.append((indent + "  ".join(padded)).rstrip())
    return [bold(lines[0]), *lines[1:]]


def fits(head: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> bool:
    """Return True if the terminal is wide enough for the table with a short first column."""
    sizes = _sizes(head, rows)
    return sizes[0] + _spare(sizes, indent) >= min(NARROWEST, sizes[0])


def length(head: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> int:
    """Return the columns of text that a table takes."""
    sizes = _sizes(head, rows)
    return len(indent) + sum(sizes) + 2 * (len(sizes) - 1)


def _sizes(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]


def _spare(sizes: list[int], indent: str) -> int:
    """Return the free columns of the terminal beside the table; a large number for a file."""
    return width(10_000) - len(indent) - sum(sizes) - 2 * (len(sizes) - 1)


def wrapped(line: str, indent: str = "") -> list[str]:
    """Return running text in lines that fit; all but the first have a deeper indent."""
    return textwrap.wrap(
        line,
        min(width(), WIDEST),
        initial_indent=indent,
        subsequent_indent=indent + "  " * bool(indent),
        break_on_hyphens=False,
        break_long_words=False,
    )


def shortened(text: str, size: int) -> str:
    """Return the text in at most `size` characters, shortened in its middle."""
    if len(text) <= size:
        return text
    front = (size - 1) // 2
    return f"{text[:front]}…{text[len(text) - (size - 1 - front) :]}"


def number(value: float, digits: int = 3) -> str:
    """Return a number in three digits, with an exponent if long: 0.00123, 12.3, 1,230, 1.2e+06."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return finite(value, digits)


def count(value: float) -> str:
    """Return a number of queries as 1,230, or from a billion on as 1.4e+13."""
    is_short = math.isfinite(value) and abs(value) < 1e9
    return f"{round(value):,}" if is_short else number(value)


def seconds(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """Return a duration as 1.2 us, 3.4 ms, 5.6 s, 12 min or 3.4 h, or with limits: 5.6 [4.4, 7] s.

    The limits have the unit of the value, unless the upper one is far from it.
    """
    if value is None or not math.isfinite(value):
        return number(value)
    if value > CENTURY:
        return "> 100 years"
    factor, unit = next((f, u) for limit, f, u in _UNITS if abs(value) < limit)
    if math.isnan(low):
        return f"{_two(value * factor)} {unit}"
    if 1e5 < high * factor < math.inf:
        return interval(seconds(value), seconds(low), seconds(high))
    return f"{interval(_two(value * factor), _two(low * factor), _two(high * factor))} {unit}"


_UNITS = (
    (1e-3, 1e6, "us"),
    (1.0, 1e3, "ms"),
    (120.0, 1.0, "s"),
    (7200.0, 1 / 60, "min"),
    (math.inf, 1 / 3600, "h"),
)


def _two(value: float) -> str:
    """Two digits, or three above 100."""
    return number(value, 2 if abs(value) < 99.5 else 3)


def memory(value: float) -> str:
    """Return bytes as MiB or GiB."""
    if value is None or not math.isfinite(value):
        return number(value)
    mib = value / (1 << 20)
    return f"{number(mib)} MiB" if mib < 10_000 else f"{number(mib / 1024)} GiB"


def interval(value: str, low: str, high: str) -> str:
    """Return an interval as 1.8 [1.4, 2.3]."""
    return f"{value} [{low}, {high}]"
