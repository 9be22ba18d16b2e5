"""Format numbers for pages, with few digits and units, and describe failed runs in words."""

from __future__ import annotations

import math
from typing import Any

UNKNOWN = "–"
CENTURY = 3.2e9  # seconds; a longer duration is written as "> 100 years"
WAYS = {"failed": "failed", "diverged": "diverged", "timeout": "ran out of time",
        "oom": "ran out of memory"}  # fmt: skip
UNITS = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min"))


def number(value: Any, digits: int = 3) -> str:
    """Format a number with three digits, and with an exponent only if it is long otherwise."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return finite(value, digits).replace("e-0", "e-").replace("e+0", "e")


def finite(value: float, digits: int) -> str:
    """Format a finite number as Python does, with `digits` digits: 1,230 or 1.2e+06."""
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size >= 6 or size < -4:
        return f"{value:.{max(0, digits - 2)}e}"
    decimals = digits - 1 - size
    return f"{round(value, decimals):,.{max(0, decimals)}f}"


def count(value: Any) -> str:
    """Format a count: 1,230."""
    if value is None or not math.isfinite(value):
        return number(value)
    return f"{round(value):,}"


def duration(value: Any) -> str:
    """Format seconds in the unit that fits: 1.2 µs, 3.4 ms, 5.6 s, 12 min, 3.4 h."""
    if value is None or not math.isfinite(value):
        return number(value)
    if value > CENTURY:
        return "> 100 years"
    scale, unit = next(((f, u) for limit, f, u in UNITS if abs(value) < limit), (1 / 3600, "h"))
    scaled = value * scale
    return f"{number(scaled, 2 if abs(scaled) < 99.5 else 3)} {unit}"


def memory(value: Any) -> str:
    """Format bytes as MiB or GiB."""
    if value is None or not math.isfinite(value):
        return number(value)
    mib = value / 2**20
    return f"{number(mib)} MiB" if mib < 10_000 else f"{number(mib / 1024)} GiB"


def with_limits(show: Any, value: float, low: float, high: float) -> tuple[str, str]:
    """Format (an ERT, its interval); without a success the lower limit alone: > 2,070."""
    if value is None or math.isnan(value):
        return UNKNOWN, ""
    if math.isinf(value):
        return (f"> {show(low)}", "") if low > 0 else ("∞", "")
    if math.isnan(low) or (low == 0 and math.isinf(high)):
        return show(value), ""
    return show(value), f"{show(low)} to {show(high)}"


def quantity(count: int, noun: str) -> str:
    """Format a count with its noun: 1 run, 2 runs."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def trouble(runs: Any) -> str:
    """Describe the runs that failed or diverged, as the beginning of a sentence; "" without any.

    Examples are: All 4 runs failed or diverged; 3 of 20 runs failed, of spsa.
    """
    from zobench.analysis.frames import (  # imports pandas, which the other functions do not need
        FAILED,
        SKIPPED,
    )

    runs_made = runs[runs["status"] != SKIPPED]
    if not len(runs_made):
        return (
            f"{_share_of_runs(len(runs), len(runs))} {'was' if len(runs) == 1 else 'were'} skipped"
            if len(runs)
            else ""
        )
    part = runs_made[runs_made["status"].isin(FAILED)]
    if not len(part):
        return ""
    ways = " or ".join(way for status, way in WAYS.items() if status in set(part["status"]))
    names = [str(name) for name in part["estimator"].unique()]
    owners = ", ".join(names) if len(names) <= 4 else quantity(len(names), "estimator")
    share = _share_of_runs(len(part), len(runs_made))
    return f"{share} {ways}{f', of {owners}' if len(part) < len(runs_made) else ''}"


def _share_of_runs(part: int, total: int) -> str:
    if part < total:
        return f"{part:,} of {quantity(total, 'run')}"
    return {1: "The only run", 2: "Both runs"}.get(total, f"All {quantity(total, 'run')}")
