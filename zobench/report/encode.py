"""Data for a page's script: JSON that is safe inside HTML, arrays as 16-bit codes in base64.

A hundred thousand run lengths as decimal text would be most of a page. A length is stored as
round(1600 log2 length), 0.02 % exact, which spans 1 to 10^12 (queries or microseconds); a score
as one of 65,533 steps between the extremes of its problem. CSV files have every digit.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

STEPS = 1600  # codes an octave
NONE = 65535  # not reached, not known
INFINITE = 65534
TOP = 65533
PART = 100_000  # values at a time


def packed(codes: np.ndarray) -> str:
    """Codes (n,) as base64 of little-endian 16-bit integers."""
    return base64.b64encode(np.asarray(codes).astype("<u2").tobytes()).decode()


def lengths(values: np.ndarray) -> np.ndarray:
    """Codes of positive lengths (n,); what is not finite becomes NONE."""
    values = np.asarray(values, float)
    codes = np.empty(len(values), np.uint16)
    for first in range(0, len(values), PART):
        part = slice(first, first + PART)
        codes[part] = _codes(values[part])
    return codes


def _codes(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    octaves = np.log2(np.maximum(np.where(known, values, 1.0), 1.0))
    return np.where(known, np.minimum(np.rint(octaves * STEPS), TOP), NONE).astype(np.uint16)


def scores(values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """(codes of scores (n,), how to read them: {"log": bool, "low": x, "high": y}).

    Scores that are never negative get steps of equal ratio and a code, 0, for zero itself.
    """
    values = np.asarray(values, float)
    known = values[np.isfinite(values)]
    log = bool(len(known)) and bool((known >= 0).all()) and bool((known > 0).any())
    inside = known[known > 0] if log else known
    low, high = (float(inside.min()), float(inside.max())) if len(inside) else (0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if log:
            width = max(math.log(high) - math.log(low), 1e-12)
            place = 1 + np.rint((np.log(values) - math.log(low)) / width * (TOP - 1))
            place = np.where(values == 0, 0, place)
        else:  # halves: high - low may be more than the largest number
            place = np.rint((values / 2 - low / 2) / max(high / 2 - low / 2, 5e-324) * TOP)
    place = np.where(np.isfinite(values), np.clip(np.nan_to_num(place), 0, TOP), NONE)
    place = np.where(values == np.inf, INFINITE, place)
    return place.astype(np.uint16), {"log": log, "low": low, "high": high}


def plain(value: Any, digits: int = 6) -> Any:
    """A number for JSON, rounded; what is not finite becomes None, "inf" or "-inf"."""
    if value is None:
        return None
    rounded = float(f"{float(value):.{digits}g}")  # the largest numbers become infinite here
    if math.isnan(rounded):
        return None
    if math.isinf(rounded):
        return "inf" if rounded > 0 else "-inf"
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def _pieces(data: Any) -> Iterator[str]:
    """Compact JSON, a piece per column: in one go, the encoder would hold a piece per number."""
    if not isinstance(data, dict) or not data:
        yield json.dumps(data, separators=(",", ":"), allow_nan=False)  # ASCII: no U+2028
        return
    for number, (key, value) in enumerate(data.items()):
        yield f"{',' if number else '{'}{json.dumps(str(key))}:"
        yield from _pieces(value)
    yield "}"


def embedded(data: Any) -> str:
    """JSON that cannot end a <script> element or open a comment in it."""
    text = "".join(_pieces(data))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
