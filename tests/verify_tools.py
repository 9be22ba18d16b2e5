"""A small leaderboard of a real run, made once, and ways to spoil it."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

import pandas as pd

from zobench.cli import status_of
from zobench.leaderboard.hashes import row_hash, with_hashes, with_row_hashes
from zobench.results.stored import stored

TINY = """\
name = "tiny"
version = "1"
budget = 60
repetitions = 3
time_limit = 20

[[problem]]
id = "sphere-d{dim}"
objective = "sphere"
group = "functions"
expand = { dim = [3, 5] }
targets = [8.0, 4.0, 2.0, 1.0, 0.5]
"""
MINE = """\
import time
from pathlib import Path

from zobench.core.directions import Noise
from zobench.core.seeds import fold

Path("executed").touch()


class Wander:
    def start(self, params, seed):
        self.params, self.seed = params, seed

    def step(self, evaluate):
        time.sleep(0.01)
        evaluate([(0.1, Noise(fold(self.seed, k))) for k in range(10)])


def Mine(n: int = 1):
    return Wander()
"""
BOARD = "leaderboards/tiny.csv"


def make_board(folder: Path, *methods: str, suite: str = TINY) -> Path:
    """Run estimators on the tiny suite in a folder, and export them: the leaderboard file."""
    (folder / "tiny.toml").write_text(suite)
    with contextlib.chdir(folder):
        run = ["run", *methods, "-s", "tiny.toml", "-j", "1"]
        assert status_of(run) == 0
        export = ["export", "-s", "tiny.toml", "--freeze", "random-search"]
        assert status_of(export) == 0
        hash_rows(Path(BOARD), Path("results/tiny"))
    return folder / BOARD


def hash_rows(board: Path, results: Path) -> None:
    """Give every row of a board its own hashes."""
    found = stored(results)
    rows = with_hashes(
        pd.read_csv(board, dtype=str, keep_default_na=False).astype({"dimension": int}),
        found.specs, found.frames,
    )  # fmt: skip
    with_row_hashes(rows.astype(str)).to_csv(board, index=False)


def read(board: Path) -> list[dict[str, str]]:
    """The rows of a board, as text."""
    with board.open(newline="") as file:
        return list(csv.DictReader(file))


def write(board: Path, rows: list[dict[str, str]]) -> None:
    """Write rows as a board."""
    with board.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def signed(row: dict[str, str]) -> dict[str, str]:
    """Give a row the hash of its cells, as a forger would."""
    return row | {"row_sha256": row_hash(row)}


def edit(board: Path, row: int, is_signed: bool = True, **cells: str) -> None:
    """Change cells of a row, numbered as `verify` does: the first below the head is 2.

    `is_signed`: True to give the row the hash of its new cells.
    """
    rows = read(board)
    rows[row - 2] |= cells
    if is_signed and "row_sha256" not in cells:
        rows[row - 2] = signed(rows[row - 2])
    write(board, rows)
