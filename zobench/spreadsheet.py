"""The texts that a spreadsheet takes for formulas, for all code that reads or writes CSV."""

from __future__ import annotations

from typing import Any

FORMULA = ("=", "+", "-", "@")  # how formulas begin
GUARDED = (*FORMULA, "\t", "\r", "\n")  # and what some spreadsheets drop in front of them


def plain(value: Any) -> Any:
    """Return `value`, with an apostrophe before text that a spreadsheet would compute."""
    return f"'{value}" if isinstance(value, str) and value.startswith(GUARDED) else value
