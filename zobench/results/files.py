"""Write the CSV files of a results folder: tables of the output, runs and hits."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zobench
from zobench.errors import BadInput
from zobench.interchange.write_tables import save_csv
from zobench.results.results import large_table

if TYPE_CHECKING:
    import pandas as pd

    from zobench.results.results import Results

RECORD = ".tables.json"  # the hash of the results that runs.csv and hits.csv were written from


def write_runs(results: Results) -> list[str]:
    """Write runs.csv and hits.csv into the results folder.

    Files that were written from the same results, and have not changed since, stay as they are.

    Returns:
        The names of the files.

    Raises:
        BadInput: a file cannot be written.
    """
    names = ["runs.csv", "hits.csv"]
    record = results.folder / RECORD
    source = _source(results)
    if source and _recorded(record) == {"source": source, "files": _hashes(results.folder, names)}:
        return names
    about = ["suite", "problem", "group", "dimension", "estimator", "repetition"]
    of_runs = large_table(results, "hits").astype({"run_key": "str"})
    hits = results.runs[["run_key", *about]].merge(of_runs, on="run_key")
    write_tables(results, runs=results.runs.drop(columns="describe"), hits=hits)
    if source:
        text = json.dumps({"source": source, "files": _hashes(results.folder, names)})
        with suppress(OSError):  # the files are then written again next time
            record.write_text(text + "\n", encoding="utf-8")
    return names


def write_tables(results: Results, **tables: pd.DataFrame) -> list[str]:
    """Write each table as <name>.csv into the results folder.

    Returns:
        The names of the files.

    Raises:
        BadInput: a file cannot be written.
    """
    names = []
    for name, frame in tables.items():
        names.append(f"{name}.csv")
        try:
            save_csv(frame, results.folder / names[-1])
        except OSError as error:
            raise BadInput(
                f"cannot write {results.folder / names[-1]}: {error.strerror}"
            ) from error
    return names


def _source(results: Results) -> str:
    """A hash of all that runs.csv and hits.csv are made of; "" if the folder has no hash."""
    if not results.content:
        return ""
    import pandas as pd

    digest = hashlib.blake2b(digest_size=16)
    for text in (zobench.__version__, pd.__version__, results.content):
        digest.update(f"{text}\n".encode())
    for column in ("run_key", "estimator"):  # which runs of the folder, in which order
        digest.update("\n".join(results.runs[column]).encode())
    digest.update("\n".join(results.runs.columns).encode())
    return digest.hexdigest()


def _hashes(folder: Path, names: list[str]) -> dict[str, str]:
    """File -> a hash of its bytes, "" if it cannot be read."""
    hashes = dict.fromkeys(names, "")
    for name in names:
        with suppress(OSError), open(folder / name, "rb") as file:
            hashes[name] = hashlib.file_digest(file, "blake2b").hexdigest()
    return hashes


def _recorded(record: Path) -> Any:
    """The content of the record; None if it is missing or cannot be read."""
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
