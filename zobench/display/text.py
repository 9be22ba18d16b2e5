"""Plain tables and numbers: what is shown can be copied, and reads the same in a file."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Sequence

WIDEST = 100  # columns of running text
UNKNOWN = "-"


def width(default: int = WIDEST) -> int:
    """Columns of the terminal; of a file or a pipe: `default`."""
    return shutil.get_terminal_size((default, 24)).columns if is_terminal() else default


def is_terminal() -> bool:
    return sys.stdout.isatty()


def bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if is_terminal() else text


def dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if is_terminal() else text


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, indent: str = "  "
) -> list[str]:
    """Lines of aligned columns: the first `left` to the left, the others to the right.

    Where the terminal is too narrow, the first column gives way; what it loses is marked.
    """
    sizes = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    spare = width(10_000) - len(indent) - sum(sizes) - 2 * (len(head) - 1)
    if spare < 0:
        sizes[0] = max(12, sizes[0] + spare)
    lines = []
    for row in (head, *rows):
        cells = [shortened(row[0], sizes[0]), *row[1:]]
        padded = [
            cell.ljust(size) if i < left else cell.rjust(size)
            for i, (cell, size) in enumerate(zip(cells, sizes))
        ]
        lines.append((indent + "  ".join(padded)).rstrip())
    return [bold(lines[0]), *lines[1:]]


def shortened(text: str, size: int) -> str:
    """The text in at most `size` columns: the middle gives way."""
    if len(text) <= size:
        return text
    front = (size - 1) // 2
    return f"{text[:front]}…{text[len(text) - (size - 1 - front) :]}"


def number(value: float, digits: int = 3) -> str:
    """Three digits, without an exponent where that is short: 0.00123, 12.3, 1,230, 1.2e+06."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size >= 6 or size < -4:
        return f"{value:.{digits - 2}e}"
    rounded = round(value, digits - 1 - size)
    return f"{rounded:,.{max(0, digits - 1 - size)}f}"


def count(value: float) -> str:
    """A number of queries: 1,230."""
    return number(value) if not math.isfinite(value) else f"{round(value):,}"


def seconds(value: float) -> str:
    """1.2 us, 3.4 ms, 5.6 s, 12 min, 3.4 h"""
    if value is None or not math.isfinite(value):
        return number(value)
    for limit, factor, unit in (
        (1e-3, 1e6, "us"),
        (1.0, 1e3, "ms"),
        (120.0, 1.0, "s"),
        (7200.0, 1 / 60, "min"),
    ):
        if abs(value) < limit:
            return f"{number(value * factor, 2 if value * factor < 100 else 3)} {unit}"
    return f"{number(value / 3600, 2)} h"


def memory(value: float) -> str:
    """Bytes as MiB or GiB."""
    if value is None or not math.isfinite(value):
        return number(value)
    mib = value / (1 << 20)
    return f"{number(mib)} MiB" if mib < 10_000 else f"{number(mib / 1024)} GiB"


def interval(value: str, low: str, high: str) -> str:
    """1.8 [1.4, 2.3]"""
    return f"{value} [{low}, {high}]"
