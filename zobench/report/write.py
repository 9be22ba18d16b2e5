"""`zobench report`: stored results as a page, as Markdown, as text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zobench.errors import BadInput
from zobench.harness.files import write_whole
from zobench.results.command import command_of
from zobench.results.notes import notes
from zobench.results.results import Results, large_table
from zobench.results.versions import needed, versions_of

if TYPE_CHECKING:
    from zobench.report.source import Source

ENDINGS = {"html": ".html", "md": ".md"}


def source(results: Results, suite: str = "", known: Mapping[str, Any] | None = None) -> Source:
    """What a report is made from. `suite`: as the user named it; `known`: see `Source`."""
    from zobench.leaderboard.frozen import frozen_runs
    from zobench.report.source import Source

    command = command_of(results, suite, results.environments)
    needs = needed(results, results.runs)
    environments = {
        key: place | {"packages": {n: v for n, v in versions_of(place).items() if n in needs}}
        for key, place in results.environments.items()
    }
    frozen = frozen_runs(results.specs[0].suite, results.problems) if results.specs else None
    return Source(
        results.frames, environments, command, known or {}, notes(results), frozen,
        read=partial(large_table, results),
    )  # fmt: skip


def check_page(path: Path) -> None:
    """Raises BadInput, before any run, for a file that could not be written."""
    if path.is_dir():
        raise BadInput(f"cannot write the report {str(path)!r}: that is a folder")
    if path.parent.exists() and not path.parent.is_dir():
        raise BadInput(f"cannot write the report {str(path)!r}: {str(path.parent)!r} is a file")


def write(source: Source, path: Path, kind: str = "html") -> Path:
    """Write the report as "html" or "md". Raises BadInput when that is impossible."""
    if kind == "md":
        from zobench.report.markdown import markdown as rendered
    else:
        from zobench.report.html import page as rendered
    return save(path, rendered(source))


def save(path: Path, text: str) -> Path:
    """Write a file, and the folders it needs. Raises BadInput when that is impossible."""
    check_page(path)
    write_whole(path, text)
    return path


def write_csv(source: Source, folder: Path) -> list[Path]:
    """Write the numbers of every figure as CSV files. Raises BadInput."""
    from zobench.report import csvtext, figures

    return csvtext.save(folder, figures.frames(source))


def leaderboards(folder: Path, out: Path) -> tuple[Path, int]:
    """(the page over all leaderboards of a folder, its rows). Raises BadInput without any."""
    from zobench.report.board import board, read_boards

    rows = read_boards(folder)
    return save(out, board(rows)), len(rows)
