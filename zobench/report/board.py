"""One HTML page with the rows of all leaderboards of a folder; it sorts and filters them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zobench.errors import BadInput
from zobench.leaderboard.board_file import read_board
from zobench.leaderboard.frozen import ENDING
from zobench.report.html import rendered
from zobench.report.tuning import tuning_data
from zobench.results.tuning_curves import curves_of_rows

SCRIPTS = ("core", "table", "axis", "chart", "overview", "tuning", "board")
TABLE = (  # column of the CSV, heading, kind
    ("method", "method", "text"),
    ("log_area", "score", "share"),
    ("aocc", "AOCC", "share"),
    ("success_rate", "reached", "percent"),
    ("speedup", "speed-up", "ratio"),
    ("us_per_query", "µs per query", "number"),
    ("peak_rss_mb", "peak MB", "number"),
    ("coverage", "coverage", "percent"),
    ("n_runs", "runs", "count"),
    ("n_failed", "failed", "count"),
    ("track", "track", "text"),
    ("tuning_effort", "trials", "count"),
    ("version", "zobench", "text"),
    ("verified", "verified", "text"),
    ("date", "date", "text"),
)
FILTERS = ("suite", "group", "dimension", "track", "hardware")


def read_boards(folder: Path) -> list[dict[str, str]]:
    """Return all rows of all leaderboards in a folder, as text, without frozen runs.

    Raises:
        BadInput: the folder holds no leaderboard, or a file is not one.
    """
    if not folder.is_dir():
        raise BadInput(f"there is no folder {str(folder)!r} with leaderboards")
    files = [f for f in sorted(folder.glob("*.csv")) if not f.stem.endswith(ENDING)]
    if not files:
        raise BadInput(f"{folder} holds no leaderboard; `zobench export` writes one")
    return [row for file in files for row in read_board(file).to_dict("records")]


def board(rows: list[dict[str, str]]) -> str:
    """Return the page as HTML, and add the column `hardware` (processor and threads) to `rows`."""
    for row in rows:
        row["hardware"] = f"{row['cpu']}, {row['threads']} threads" if row["cpu"] else "not stated"
    other_columns = (
        "speedup_low", "speedup_high", "log_area_low", "log_area_high", "baseline", "seed_root",
        "suite_version", "first_order", "targets_hash", "data_sha256", "git_sha", "n_problems",
        "aocc_low", "aocc_high", "n_speedup", "os", "python",
    )  # fmt: skip
    columns = (*FILTERS, *other_columns, *(name for name, _, _ in TABLE))
    table: dict[str, Any] = {name: [row[name] for row in rows] for name in dict.fromkeys(columns)}
    curves = tuning_data(curves_of_rows(rows))
    data = {"rows": table, "count": len(rows), "shown": TABLE, "filters": FILTERS, "tuning": curves}
    suites = sorted({f"{row['suite']} {row['suite_version']}" for row in rows})
    methods = len({row["method"] for row in rows})
    words = {"rows": rows, "suites": suites, "methods": methods, "shown": TABLE, "curves": curves}
    return rendered("board.html.j2", SCRIPTS, words, data)
