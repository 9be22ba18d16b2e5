"""What a spreadsheet takes for a formula: one place for all that read or write CSV."""

from __future__ import annotations

from typing import Any

FORMULA = ("=", "+", "-", "@")  # how formulas begin
GUARDED = (*FORMULA, "\t", "\r", "\n")  # and what some spreadsheets drop in front of them


def plain(value: Any) -> Any:
    """`value`, behind an apostrophe if it is text that a spreadsheet would compute."""
    return f"'{value}" if isinstance(value, str) and value.startswith(GUARDED) else value
