"""Baseline files: the tuned settings of an estimator on a suite, and the record of the search."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.harness.files import write_whole


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the tables `settings` and `record`, by group; empty if there is no file."""
    if not path.is_file():
        return {"settings": {}, "record": {}}
    try:
        data = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}; correct or remove the file") from error
    return {key: dict(data.get(key, {})) for key in ("settings", "record")}


def write(path: Path, tables: Mapping[str, Mapping[str, Any]], head: str) -> None:
    """Write both tables in one go: the file is complete or unchanged. Raises BadInput."""
    lines = [*(f"# {line}" for line in head.splitlines()), ""]
    for kind in ("settings", "record"):
        for group, table in tables[kind].items():
            lines += [f"[{kind}.{_key(group)}]", *_rows(table), ""]
    write_whole(path, "\n".join(lines))


def _rows(table: Mapping[str, Any]) -> list[str]:
    rows = []
    for key, value in table.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows += [f"{_key(key)} = [", *(f"  {_value(item)}," for item in value), "]"]
        else:
            rows.append(f"{_key(key)} = {_value(value)}")
    return rows


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)  # TOML writes nan and inf as Python does
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)  # JSON strings are TOML strings


def _key(key: str) -> str:
    bare = key and all((c.isalnum() and c.isascii()) or c in "-_" for c in key)
    return key if bare else json.dumps(key, ensure_ascii=False)
