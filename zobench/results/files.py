"""The CSV files of a results folder: what was shown, and what it was computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zobench.errors import BadInput
from zobench.interchange.write_tables import save_csv
from zobench.results.frame import Frame

if TYPE_CHECKING:
    from zobench.results.results import Results


def write_runs(results: Results) -> list[str]:
    """Write runs.csv and hits.csv; their names. Raises BadInput when that is impossible."""
    named = ["suite", "problem", "group", "dimension", "estimator", "repetition"]
    hits = results.runs[["run_key", *named]].merge(results.hits, on="run_key")
    return write_tables(results, runs=results.runs.drop(columns="describe"), hits=hits)


def write_tables(results: Results, **tables: Frame) -> list[str]:
    """Write each table as <name>.csv into the results folder; their names."""
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
