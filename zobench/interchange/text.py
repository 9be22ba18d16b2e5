"""Reading other people's text files: line by line, and every fault names file and line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from zobench.errors import BadInput

LONGEST = 2**20  # characters of a line
LARGEST = 2**53  # whole numbers beyond are not exact
DEEPEST = 2**31


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line with its end, which only a cut last line lacks). Raises BadInput."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            number = 0
            while text := file.readline(LONGEST):
                number += 1
                if len(text) == LONGEST:
                    raise bad(path, number, f"a line of more than {LONGEST:,} characters")
                yield number, text
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error


def bad(path: Path, line: int, fault: str) -> BadInput:
    """The error for a line of a file."""
    return BadInput(f"{path} line {line}: {' '.join(fault.split())}")


def whole(path: Path, line: int, text: object, what: str, least: int, most: int = LARGEST) -> int:
    """A whole number in [least, most], from text or from JSON. Raises BadInput."""
    try:
        value = _float(text)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not least <= value <= most or value != int(value):
        raise bad(path, line, f"{what} is a whole number from {least}, not {short(text)}")
    return int(value)


def real(path: Path, line: int, text: object, what: str) -> float:
    """A number; nan and inf too. Raises BadInput."""
    try:
        return _float(text)
    except (TypeError, ValueError, OverflowError):
        raise bad(path, line, f"{what} is a number, not {short(text)}") from None


def _float(text: object) -> float:
    if isinstance(text, str) and ("_" in text or not text.isascii()):
        raise ValueError  # float() also reads 1_0, and digits of other scripts
    if isinstance(text, bool):
        raise TypeError
    return float(text)  # type: ignore[arg-type]


def label(text: object, other: str = "unnamed") -> str:
    """A name for tables: printable, on one line, at most 80 characters."""
    kept = "".join(c if c.isprintable() else " " for c in str(text))
    return " ".join(kept.split())[:80] or other


def short(value: object) -> str:
    """What a message quotes of a value."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def inside(folder: Path, base: Path, named: str, line: int, by: Path) -> Path:
    """The file `named`, relative to `base`, that has to lie in `folder`. Raises BadInput."""
    path = base / named.replace("\\", "/").strip()
    try:
        resolved = path.resolve()
        if resolved.is_relative_to(folder.resolve()) and resolved.is_file():
            return path
    except (OSError, ValueError, RuntimeError):
        pass
    raise bad(by, line, f"there is no data file {short(named)} in {folder}")
