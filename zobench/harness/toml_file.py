"""TOML files whose errors name the line: values by keys, each checked for its type."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from zobench.errors import BadInput, unknown
from zobench.spreadsheet import FORMULA

Keys = tuple[str | int, ...]  # of a value, such as ("problem", 2, "settings", "dim")

NAMES = ("name", "id", "group", "version")  # these are on one line; other texts may have several
MANY = re.compile(r"\d(_?\d){999}")  # digits
KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "whole number": (int, float),
    "table": (dict,),
    "list": (list,),
}


def read_text(path: Path) -> str:
    """Read a text file. Raises BadInput if that is impossible."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: no UTF-8 text, so no TOML file") from error


class TomlFile:
    """The data of a file, and errors that name the line of a value."""

    def __init__(self, path: Path, text: str | None = None) -> None:
        """Parse `text`, by default that of the file. Raises BadInput if it is not TOML."""
        self.path = path
        self.text: str = read_text(path) if text is None else text
        try:
            self.data: dict[str, Any] = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            message, _, position = str(error).partition(" (at ")
            match = re.match(r"line (\d+)", position)
            line = match[1] if match else self.text.count("\n") + 1
            source_line = self.text.splitlines()[int(line) - 1 : int(line)]
            raise BadInput(
                f"{path} line {line}: no TOML: {message}: {' '.join(source_line).strip()[:60]!r}"
            ) from error
        except RecursionError as error:
            raise BadInput(f"{path}: no TOML: lists or tables are nested too deeply") from error
        except ValueError as error:  # of int(), for a number with thousands of digits
            line = next((i for i, t in enumerate(self.text.splitlines()) if MANY.search(t)), 0)
            raise BadInput(f"{path} line {line + 1}: a number has too many digits") from error
        for keys, value in _values(self.data):
            if isinstance(value, int) and abs(value) >= 2**64:
                text = f"a whole number has {len(hex(value)) - 2} hex digits, of at most 16"
                raise self.bad(text, *keys)
            if not isinstance(value, str):
                continue
            text = value
            if keys[-1] in NAMES:
                fine = text.isprintable()
            else:
                fine = not any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in text)
            if not fine:
                raise self.bad(f"characters that do not print in {text[:60]!r}", *keys)
            if keys[-1] in NAMES and text.startswith(FORMULA):
                raise self.bad(
                    f"{text[:60]!r} is a formula to a spreadsheet; begin otherwise", *keys
                )

    def bad(self, message: object, *keys: str | int) -> BadInput:
        """Return the error for the value at `keys`."""
        return BadInput(f"{self.path} line {line_of(self.text, keys)}: {message}")

    def only(self, table: Mapping[str, Any], allowed: Iterable[str], *keys: str | int) -> None:
        """Raise BadInput if `table`, the value at `keys`, has a key that is not allowed."""
        allowed = list(allowed)
        for key in table:
            if key not in allowed:
                raise self.bad(unknown("key", key, allowed), *keys, key)

    def typed(self, value: Any, kind: str, *keys: str | int) -> Any:
        """Return `value`, at `keys`, if it is of a kind of KINDS; whole numbers become int.

        Raises:
            BadInput: it is of another kind.
        """
        wrong = isinstance(value, bool) or not isinstance(value, KINDS[kind])
        if kind == "whole number" and not wrong:
            wrong = value != value or value in (float("inf"), -float("inf")) or value != int(value)
        if wrong:
            article = "" if kind == "text" else "a "
            raise self.bad(f"{keys[-1]} must be {article}{kind}, not {value!r}", *keys)
        return int(value) if kind == "whole number" else value


def _values(value: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield all keys and values of a file but tables and lists, each with its keys."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if isinstance(key, str):
            yield (*keys, key), key
        if isinstance(part, (dict, list)):
            yield from _values(part, (*keys, key))
        else:
            yield (*keys, key), part


def line_of(text: str, keys: Keys) -> int:
    """Return the number of the line of the value at `keys`, or of one near it.

    This scans the text: it follows headers, and skips comments and the inside of long strings.
    """
    lines = _code_lines(text)
    first, last = 0, len(lines)
    if len(keys) > 1 and isinstance(keys[1], int):
        header = re.compile(rf"\s*\[\[\s*{re.escape(str(keys[0]))}\s*\]\]")
        headers = [i for i, line in enumerate(lines) if header.match(line)]
        if keys[1] < len(headers):
            first = headers[keys[1]]
            last = [*headers, last][keys[1] + 1]
        keys = keys[2:]
    else:
        headers = [i for i, line in enumerate(lines) if re.match(r"\s*\[\[", line)]
        last = [*headers, last][0]
        if len(keys) > 1:  # a table [key.key], which may stand behind
            outer, inner = (re.escape(str(key)) for key in keys[:2])
            name = rf"""\s*\[\s*{outer}\s*\.\s*["']?{inner}["']?\s*\]"""
            tables = [i for i, line in enumerate(lines) if re.match(name, line)]
            if tables:
                first, keys = tables[0], keys[2:]
                after = (i for i in range(first + 1, len(lines)) if re.match(r"\s*\[", lines[i]))
                last = next(after, len(lines))
    at = first
    for key in keys:
        name = re.compile(rf"(?:^|[\s{{,.\[\"']){re.escape(str(key))}[\"']?\s*[=.\]]")
        at = next((i for i in range(at, last) if name.search(lines[i])), at)
    return at + 1


def _code_lines(text: str) -> list[str]:
    """Return the lines, with comments and the inside of triple-quoted strings blanked."""
    lines, inside = [], False
    for line in text.splitlines():
        quotes = line.count('"""') + line.count("'''")
        lines.append("" if inside or line.lstrip().startswith("#") else line)
        inside ^= quotes % 2 == 1
    return lines or [""]
