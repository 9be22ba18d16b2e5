"""Small SVG pictures of intervals: a dot on a line, on an axis that all rows share."""

from __future__ import annotations

import math

from markupsafe import Markup

WIDTH, HEIGHT, EDGE = 180, 18, 6


def interval(value: float, low: float, high: float, ends: tuple[float, float]) -> Markup:
    """Draw `value` and [low, high] on the linear axis `ends`; nothing if `value` is NaN."""
    if math.isnan(value):
        return Markup("")
    x, start, end = (_position(v, *ends) for v in (value, low, high))
    return _mark(x, start, end, None)


def ratio(value: float, low: float, high: float, widest: float) -> Markup:
    """Draw a ratio and its interval on a log axis from 1/widest to widest, with a line at 1."""
    if math.isnan(value):
        return Markup("")
    end = math.log(max(widest, 1.01))

    def position(v: float) -> float:
        return _position(math.log(v) if v > 0 else -math.inf, -end, end)

    return _mark(position(value), position(low), position(high), position(1.0))


def widest(rows: list[dict[str, float]]) -> float:
    """Return the upper end of a common log axis for these speed-ups, in [2, 100]."""
    finite = [
        abs(math.log(row[name]))
        for row in rows
        for name in ("value", "low", "high")
        if 0 < row[name] < math.inf
    ]
    # At least 2: a ratio near 1 with an infinite interval must not look like a large one.
    return math.exp(min(max(1.1 * max(finite, default=0.0), math.log(2)), math.log(100)))


def upper(rows: list[dict[str, float]]) -> float:
    """Return the upper end of an axis of scores: their maximum rounded up to a tenth, at most 1."""
    finite = [row[name] for row in rows for name in ("value", "high") if row[name] == row[name]]
    return min(1.0, math.ceil(10 * max(finite, default=1.0) + 1e-9) / 10)


def _position(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if not math.isnan(value) else math.nan
    return EDGE + (WIDTH - 2 * EDGE) * min(max(share, 0.0), 1.0)


def _mark(x: float, low: float, high: float, zero: float | None) -> Markup:
    middle = HEIGHT / 2
    parts = []
    if zero is not None:
        parts.append(f'<line class="one" x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{HEIGHT}"/>')
    if not math.isnan(low) and not math.isnan(high):
        parts.append(
            f'<line class="span" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
        )
    parts.append(f'<circle cx="{x:.1f}" cy="{middle}" r="4"/>')
    return Markup(  # safe: it holds numbers, no text of a user
        f'<svg class="mark" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'aria-hidden="true" focusable="false">{"".join(parts)}</svg>'
    )
