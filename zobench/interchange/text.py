"""Text files of other tools: read line by line, with errors that name file and line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from zobench.errors import BadInput

LONGEST = 2**20  # characters of a line
LARGEST = 2**53  # larger whole numbers are not exact
DEEPEST = 2**31


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number of each line, from 1, and the line with its end; a cut last one has none.

    Raises:
        BadInput: the file cannot be read, or a line is too long.
    """
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
    """Return the error for a line of a file."""
    return BadInput(f"{path} line {line}: {' '.join(fault.split())}")


def whole_number(
    path: Path, line: int, text: object, title: str, least: int, most: int = LARGEST
) -> int:
    """Read a whole number in [least, most], from text or JSON. Raises BadInput, with `title`."""
    try:
        value = _float(text)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not least <= value <= most or value != int(value):
        raise bad(path, line, f"{title} is a whole number from {least}, not {short(text)}")
    return int(value)


def real(path: Path, line: int, text: object, title: str) -> float:
    """Read a number, which may be nan or inf. Raises BadInput, with `title`."""
    try:
        return _float(text)
    except (TypeError, ValueError, OverflowError):
        raise bad(path, line, f"{title} is a number, not {short(text)}") from None


def _float(text: object) -> float:
    if isinstance(text, str) and ("_" in text or not text.isascii()):
        raise ValueError  # float() also reads 1_0, and digits of other scripts
    if isinstance(text, bool):
        raise TypeError
    return float(text)  # type: ignore[arg-type]


def label(text: object, other: str = "unnamed") -> str:
    """Return a name for tables: printable, on one line, at most 80 characters."""
    printable = "".join(c if c.isprintable() else " " for c in str(text))
    return " ".join(printable.split())[:80] or other


def short(value: object) -> str:
    """Return a value as messages quote it."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def file_inside(folder: Path, base: Path, name: str, line: int, index: Path) -> Path:
    """Return the path of a data file.

    Args:
        folder: the file has to lie in it, at any depth.
        base: the folder that the name is relative to.
        name: of the file.
        line: of the index file, where the name stands.
        index: the index file.

    Raises:
        BadInput: there is no such file.
    """
    path = base / name.replace("\\", "/").strip()
    try:
        resolved = path.resolve()
        if resolved.is_relative_to(folder.resolve()) and resolved.is_file():
            return path
    except (OSError, ValueError, RuntimeError):
        pass
    raise bad(index, line, f"there is no data file {short(name)} in {folder}")
