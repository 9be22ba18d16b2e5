"""`zobench report`: write stored results as a page, as Markdown or as CSV files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zobench.errors import BadInput
from zobench.harness.files import write_whole
from zobench.results.command import command_of
from zobench.results.notes import basis, notes
from zobench.results.results import Results, large_table
from zobench.results.tuning_curves import tuning_curves
from zobench.results.versions import packages_needed, versions_of

if TYPE_CHECKING:
    from zobench.report.source import Source

ENDINGS = {"html": ".html", "md": ".md"}


def source(results: Results, suite: str = "", computed: Mapping[str, Any] | None = None) -> Source:
    """Return the source of a report. `suite`: as the user typed it; `computed`: see `Source`."""
    from zobench.leaderboard.frozen import frozen_runs
    from zobench.report.source import Source

    command = command_of(results, suite, results.environments)
    needs = packages_needed(results, results.runs)
    environments = {
        key: facts | {"packages": {n: v for n, v in versions_of(facts).items() if n in needs}}
        for key, facts in results.environments.items()
    }
    frozen = frozen_runs(results.specs[0].suite, results.problems) if results.specs else None
    return Source(
        results.frames, environments, command, computed or {}, notes(results), frozen,
        basis=basis(results), read=partial(large_table, results),
        tuning=tuning_curves(results.specs),
    )  # fmt: skip


def check_page(path: Path) -> None:
    """Raise BadInput if the file cannot be written; called before any run."""
    if path.is_dir():
        raise BadInput(f"cannot write the report {str(path)!r}: that is a folder")
    if path.parent.exists() and not path.parent.is_dir():
        raise BadInput(f"cannot write the report {str(path)!r}: {str(path.parent)!r} is a file")


def write(source: Source, path: Path, kind: str = "html") -> Path:
    """Write the report as "html" or "md". Raises BadInput if the file cannot be written."""
    if kind == "md":
        from zobench.report.markdown import markdown as rendered
    else:
        from zobench.report.html import page as rendered
    return save(path, rendered(source))


def save(path: Path, text: str) -> Path:
    """Write a file and its folders. Raises BadInput if the file cannot be written."""
    check_page(path)
    write_whole(path, text)
    return path


def write_csv(source: Source, folder: Path) -> list[Path]:
    """Write the numbers of all figures as CSV files. Raises BadInput if one cannot be written."""
    from zobench.report import csvtext, figures

    return csvtext.save(folder, figures.frames(source))


def leaderboards(folder: Path, out: Path) -> tuple[Path, int]:
    """Write the page of all leaderboards of a folder; return its path and the number of rows.

    Raises:
        BadInput: the folder holds no leaderboard, or the page cannot be written.
    """
    from zobench.report.board import board, read_boards

    rows = read_boards(folder)
    return save(out, board(rows)), len(rows)
