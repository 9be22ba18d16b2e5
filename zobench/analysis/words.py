"""Numbers as text, for pages: few digits, units, - for what is unknown, ∞ for what is infinite.
And in words how many runs were in trouble."""

from __future__ import annotations

import math
from typing import Any

UNKNOWN = "–"
CENTURY = 3.2e9  # seconds: an upper limit beyond it says no more than that
WAYS = {"failed": "failed", "diverged": "diverged", "timeout": "ran out of time",
        "oom": "ran out of memory"}  # fmt: skip
UNITS = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min"))


def number(value: Any, digits: int = 3) -> str:
    """Three digits, with an exponent only where plain digits would be long."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return finite(value, digits).replace("e-0", "e-").replace("e+0", "e")


def finite(value: float, digits: int) -> str:
    """A finite number as Python writes it, in so many digits: 1,230 or 1.2e+06."""
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size >= 6 or size < -4:
        return f"{value:.{digits - 2}e}"
    places = digits - 1 - size
    return f"{round(value, places):,.{max(0, places)}f}"


def count(value: Any) -> str:
    """1,230"""
    if value is None or not math.isfinite(value):
        return number(value)
    return f"{round(value):,}"


def duration(value: Any) -> str:
    """Seconds in the unit that fits: 1.2 µs, 3.4 ms, 5.6 s, 12 min, 3.4 h."""
    if value is None or not math.isfinite(value):
        return number(value)
    if value > CENTURY:
        return "> 100 years"
    scale, unit = next(((f, u) for limit, f, u in UNITS if abs(value) < limit), (1 / 3600, "h"))
    scaled = value * scale
    return f"{number(scaled, 2 if abs(scaled) < 99.5 else 3)} {unit}"


def memory(value: Any) -> str:
    """Bytes as MiB or GiB."""
    if value is None or not math.isfinite(value):
        return number(value)
    mib = value / 2**20
    return f"{number(mib)} MiB" if mib < 10_000 else f"{number(mib / 1024)} GiB"


def with_limits(show: Any, value: float, low: float, high: float) -> tuple[str, str]:
    """(an ERT, its interval); without a success only the lower limit is known: > 2,070."""
    if value is None or math.isnan(value):
        return UNKNOWN, ""
    if math.isinf(value):
        return (f"> {show(low)}", "") if low > 0 else ("∞", "")
    if math.isnan(low) or (low == 0 and math.isinf(high)):
        return show(value), ""
    return show(value), f"{show(low)} to {show(high)}"


def some(count: int, noun: str) -> str:
    """1 run, 2 runs"""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def trouble(runs: Any) -> str:
    """Which runs of a data frame ended in trouble, how and of whom; "" if none did.

    The beginning of a sentence: All 4 runs failed or diverged; 3 of 20 runs failed, of spsa.
    """
    from zobench.analysis.frames import FAILED, SKIPPED  # pandas: other words do without it

    made = runs[runs["status"] != SKIPPED]
    if not len(made):
        return (
            f"{_of(len(runs), len(runs))} {'was' if len(runs) == 1 else 'were'} skipped"
            if len(runs)
            else ""
        )
    part = made[made["status"].isin(FAILED)]
    if not len(part):
        return ""
    ways = " or ".join(said for status, said in WAYS.items() if status in set(part["status"]))
    names = [str(name) for name in part["estimator"].unique()]
    whose = ", ".join(names) if len(names) <= 4 else some(len(names), "estimator")
    return f"{_of(len(part), len(made))} {ways}{f', of {whose}' if len(part) < len(made) else ''}"


def _of(part: int, whole: int) -> str:
    if part < whole:
        return f"{part:,} of {some(whole, 'run')}"
    return {1: "The only run", 2: "Both runs"}.get(whole, f"All {some(whole, 'run')}")
