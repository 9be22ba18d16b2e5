"""The released versions of zobench, which rows of leaderboards and frozen runs may be of."""

from __future__ import annotations

import zobench
from zobench.leaderboard.columns import quoted

RELEASED = ("0.1.0", "0.2.0")  # as in CHANGELOG.md, the oldest first


def version_fault(text: str) -> str:
    """Return what is wrong with one version or several with | between, "" if nothing is."""
    now = zobench.__version__
    releases = list(dict.fromkeys((*RELEASED, now)))
    parts = text.split(" | ")
    if len(parts) == len(set(parts)) and set(parts) <= set(releases):
        return ""
    return f"{quoted(text)}, but this is zobench {now}; released versions: {', '.join(releases)}"


def is_earlier(version: str, other: str | None = None) -> bool:
    """Return True if `version` was released before `other`, by default this zobench."""
    order = list(dict.fromkeys((*RELEASED, zobench.__version__)))
    other = zobench.__version__ if other is None else other
    return version in order and other in order and order.index(version) < order.index(other)
