"""Data for a page's script: JSON that is safe inside HTML, arrays as 16-bit codes in base64.

Codes keep a page small. A length (queries or microseconds, 1 to 10^12) is stored as
round(1600 log2 length), with an error of 0.02 %. A score is stored as one of 65,533 steps between
the extremes of its problem. CSV files hold all digits.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

STEPS = 1600  # codes per octave (factor of 2)
NONE = 65535  # not reached, or unknown
INFINITE = 65534
TOP = 65533
PART = 100_000  # values that are encoded at a time


def packed(codes: np.ndarray) -> str:
    """Return codes (n,) as base64 of little-endian 16-bit integers."""
    return base64.b64encode(np.asarray(codes).astype("<u2").tobytes()).decode()


def lengths(values: np.ndarray) -> np.ndarray:
    """Return codes of positive lengths (n,); NONE for a length that is not finite."""
    values = np.asarray(values, float)
    codes = np.empty(len(values), np.uint16)
    for first in range(0, len(values), PART):
        part = slice(first, first + PART)
        codes[part] = _codes(values[part])
    return codes


def _codes(values: np.ndarray) -> np.ndarray:
    is_finite = np.isfinite(values)
    octaves = np.log2(np.maximum(np.where(is_finite, values, 1.0), 1.0))
    return np.where(is_finite, np.minimum(np.rint(octaves * STEPS), TOP), NONE).astype(np.uint16)


def scores(values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return codes of scores (n,), and their scale: {"log": bool, "low": x, "high": y}.

    If no score is negative, steps have equal ratios (log), and the code 0 stands for a score of 0.
    """
    values = np.asarray(values, float)
    finite = values[np.isfinite(values)]
    log = bool(len(finite)) and bool((finite >= 0).all()) and bool((finite > 0).any())
    inside = finite[finite > 0] if log else finite
    low, high = (float(inside.min()), float(inside.max())) if len(inside) else (0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if log:
            width = max(math.log(high) - math.log(low), 1e-12)
            codes = 1 + np.rint((np.log(values) - math.log(low)) / width * (TOP - 1))
            codes = np.where(values == 0, 0, codes)
        else:  # halves: high - low may be more than the largest number
            codes = np.rint((values / 2 - low / 2) / max(high / 2 - low / 2, 5e-324) * TOP)
    codes = np.where(np.isfinite(values), np.clip(np.nan_to_num(codes), 0, TOP), NONE)
    codes = np.where(values == np.inf, INFINITE, codes)
    return codes.astype(np.uint16), {"log": log, "low": low, "high": high}


def plain(value: Any, digits: int = 6) -> Any:
    """Return a rounded number for JSON: None for NaN, "inf" or "-inf" for an infinite one."""
    if value is None:
        return None
    rounded = float(f"{float(value):.{digits}g}")  # the largest numbers become infinite here
    if math.isnan(rounded):
        return None
    if math.isinf(rounded):
        return "inf" if rounded > 0 else "-inf"
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def _pieces(data: Any) -> Iterator[str]:
    """Yield compact JSON in one piece per column, which takes less memory than one piece."""
    if not isinstance(data, dict) or not data:
        yield json.dumps(data, separators=(",", ":"), allow_nan=False)  # ASCII: no U+2028
        return
    for number, (key, value) in enumerate(data.items()):
        yield f"{',' if number else '{'}{json.dumps(str(key))}:"
        yield from _pieces(value)
    yield "}"


def embedded(data: Any) -> str:
    """Return JSON that cannot end a <script> element or begin a comment in it."""
    text = "".join(_pieces(data))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
