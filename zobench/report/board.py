"""Leaderboards as one page: every row of leaderboards/*.csv, sortable, with filters, no server."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from zobench.analysis.leaderboard import COLUMNS, LATER
from zobench.errors import BadInput
from zobench.report.html import rendered

SCRIPTS = ("core", "table", "overview", "board")
SHOWN = (  # column of the CSV, heading, kind
    ("method", "method", "text"),
    ("log_area", "score", "share"),
    ("aocc", "AOCC", "share"),
    ("success_rate", "reached", "percent"),
    ("speedup", "speed-up", "ratio"),
    ("us_per_query", "µs a query", "number"),
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
    """All rows of all leaderboards in a folder, as text; frozen references are not among them.

    Raises BadInput where there is none, or a file has other columns.
    """
    if not folder.is_dir():
        raise BadInput(f"there is no folder {str(folder)!r} with leaderboards")
    rows: list[dict[str, str]] = []
    files = [f for f in sorted(folder.glob("*.csv")) if not f.stem.endswith("-reference")]
    for file in files:
        try:
            with file.open(encoding="utf-8-sig", newline="") as text:
                reader = csv.DictReader(text)
                names = list(reader.fieldnames or [])
                if missing := [name for name in COLUMNS if name not in (*names, *LATER)]:
                    raise BadInput(f"{file} is not a leaderboard: it lacks {', '.join(missing)}")
                for row in reader:
                    rows.append({key: value or "" for key, value in row.items() if key})
                    _check(rows[-1], file, reader.line_num)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BadInput(f"cannot read {file}: {error}") from error
    if not files:
        raise BadInput(f"{folder} holds no leaderboard; `zobench export` writes one")
    return rows


def _check(row: dict[str, str], file: Path, line: int) -> None:
    """Raises BadInput if a column of numbers holds something else."""
    for name, _, kind in SHOWN:
        try:
            float(row[name] or 0 if kind != "text" else 0)
        except ValueError:
            fault = f"{file} line {line}, column {name}: {row[name][:40]!r} is not a number"
            raise BadInput(f"{fault}; zobench verify --form-only {file}") from None


def board(rows: list[dict[str, str]]) -> str:
    """The page. Each row also says its hardware: processor and threads."""
    for row in rows:
        row["hardware"] = f"{row['cpu']}, {row['threads']} threads" if row["cpu"] else "not stated"
    kept = ("speedup_low", "speedup_high", "log_area_low", "log_area_high", "baseline", "seed_root",
            "suite_version", "first_order", "targets_hash", "data_sha256", "git_sha", "n_problems",
            "aocc_low", "aocc_high", "n_speedup", "os", "python")  # fmt: skip
    wanted = (*FILTERS, *kept, *(name for name, _, _ in SHOWN))
    table: dict[str, Any] = {name: [row[name] for row in rows] for name in dict.fromkeys(wanted)}
    data = {"rows": table, "count": len(rows), "shown": SHOWN, "filters": FILTERS}
    suites = sorted({f"{row['suite']} {row['suite_version']}" for row in rows})
    methods = len({row["method"] for row in rows})
    return rendered("board.html.j2", SCRIPTS, {"rows": rows, "suites": suites, "methods": methods,
                                               "shown": SHOWN}, data)  # fmt: skip
