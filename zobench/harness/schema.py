"""The tables of results.sqlite. Rows are added, never edited.

A new column is added at the end of its table, in ADDED_IN, with the layout that has it: files of
earlier layouts are read as they are, without it, and the next writer brings them up to date.
"""

from __future__ import annotations

from dataclasses import fields

from zobench.harness.result import RunResult

VERSION = 4  # of the layout, in PRAGMA user_version
BARE = 1  # the layout before checksums

# Layout -> columns of table `runs` that files of earlier layouts do not have.
ADDED_IN = {
    3: ("score_name", "build_seconds", "score_seconds"),
    4: ("state_bytes", "memory_kind"),
}
ADDED = tuple(column for columns in ADDED_IN.values() for column in columns)

_APART = ("key", "hits", "trace", *ADDED)
# Columns of table `runs`, after id, run_key and attempt: what a result has, but for lists.
RUN_COLUMNS = [
    *(field.name for field in fields(RunResult) if field.name not in _APART),
    "settled",
]

# What a row should hold, so that a row that was changed is not shown: see `checks.py`.
CHECKS = """
CREATE TABLE IF NOT EXISTS checks (
    kind TEXT NOT NULL, id INTEGER NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
"""

# Where a suite of the user's own was read from, last: its name in results does not tell.
SUITES = """
CREATE TABLE IF NOT EXISTS suites (
    suite TEXT NOT NULL, suite_version TEXT NOT NULL, file TEXT NOT NULL,
    PRIMARY KEY (suite, suite_version)
);
"""

SCHEMA = f"""
BEGIN;

-- Where runs were made: versions, processor, threads.
CREATE TABLE environments (hash TEXT PRIMARY KEY, json TEXT NOT NULL);

-- What was asked: a problem as a suite defined it then (json), one row for each definition.
CREATE TABLE problems (
    id INTEGER PRIMARY KEY, suite TEXT NOT NULL, suite_version TEXT NOT NULL,
    problem TEXT NOT NULL, "group" TEXT NOT NULL, json TEXT UNIQUE NOT NULL
);

-- Which runs a command asked for, under which name (estimator) and limits (json); the latest row
-- of a cell (problem, estimator, repetition) says which run_key tables show.
CREATE TABLE plans (
    id INTEGER PRIMARY KEY, problem INTEGER NOT NULL REFERENCES problems, run_key TEXT NOT NULL,
    estimator TEXT NOT NULL, estimator_name TEXT NOT NULL, estimator_version TEXT NOT NULL,
    settings TEXT NOT NULL, settings_from TEXT NOT NULL, repetition INTEGER NOT NULL,
    instance INTEGER, seed INTEGER NOT NULL, limits TEXT NOT NULL
);

-- Outcomes. A run that failed and is made again is a new attempt; readers take the last.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, run_key TEXT NOT NULL, attempt INTEGER NOT NULL,
    {", ".join(RUN_COLUMNS)}, environment TEXT REFERENCES environments,
    {", ".join(ADDED)},
    UNIQUE (run_key, attempt)
);
CREATE TABLE hits (
    run INTEGER NOT NULL REFERENCES runs, kind TEXT NOT NULL, target_index INTEGER NOT NULL,
    target REAL NOT NULL, queries INTEGER NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (run, kind, target_index)
) WITHOUT ROWID;

-- rows: little-endian float64 of shape (n, 4): queries, seconds, score, best.
CREATE TABLE traces (run INTEGER PRIMARY KEY REFERENCES runs, rows BLOB NOT NULL);

{SUITES}
{CHECKS}
PRAGMA user_version = {VERSION};
COMMIT;
"""
