"""The tables of results.sqlite. Rows are added, never edited."""

from __future__ import annotations

from dataclasses import fields

from zobench.harness.result import RunResult

VERSION = 1  # of the layout, in PRAGMA user_version

# Columns of table `runs`, after id, run_key and attempt: what a result has, but for lists.
RUN_COLUMNS = [
    *(field.name for field in fields(RunResult) if field.name not in ("key", "hits", "trace")),
    "settled",
]

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
    UNIQUE (run_key, attempt)
);
CREATE TABLE hits (
    run INTEGER NOT NULL REFERENCES runs, kind TEXT NOT NULL, target_index INTEGER NOT NULL,
    target REAL NOT NULL, queries INTEGER NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (run, kind, target_index)
) WITHOUT ROWID;

-- rows: little-endian float64 of shape (n, 4): queries, seconds, score, best.
CREATE TABLE traces (run INTEGER PRIMARY KEY REFERENCES runs, rows BLOB NOT NULL);

-- The cells to show: the latest definition of each problem, the latest row of each cell.
CREATE VIEW cells AS
WITH defined AS (
    SELECT plans.problem AS id, MAX(plans.id) FROM plans
    JOIN problems ON problems.id = plans.problem GROUP BY suite, problems.problem
), newest AS (
    SELECT MAX(plans.id) AS id FROM plans JOIN defined ON defined.id = plans.problem
    GROUP BY plans.problem, estimator, repetition
)
SELECT plans.* FROM plans JOIN newest ON newest.id = plans.id;

-- The last attempt of each shown cell that has one: cell -> run.
CREATE VIEW shown AS
SELECT cells.id AS cell, MAX(runs.id) AS run
FROM cells JOIN runs ON runs.run_key = cells.run_key GROUP BY cells.id;

PRAGMA user_version = {VERSION};
COMMIT;
"""
