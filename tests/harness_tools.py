"""Suites of a test's own, and results without what may differ between two executions."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from zobench.harness.plan import plan
from zobench.harness.suite import Suite
from zobench.harness.suite_file import load

ELEMENTS = Path(__file__).with_name("harness_elements.py")
VARYING = (
    *("seconds", "estimator_seconds", "objective_seconds", "build_seconds", "score_seconds"),
    *("peak_memory", "memory_ratio"),
)
VARYING = (*VARYING, "started", "attempt", "environment")


def element(name: str) -> str:
    """A test's own element, as a user writes it on the command line."""
    return f"{ELEMENTS}:{name}"


def suite_of(folder: Path, objective: str = "bowl", settings: str = "", **top: object) -> Suite:
    """A suite of one problem; values of `top` are TOML."""
    lines = {"budget": 200, "repetitions": 2, "targets": [10.0, 1.0, 1e-9], **top}
    text = 'name = "t"\nversion = "1"\n' + "".join(f"{k} = {v}\n" for k, v in lines.items())
    text += f'[[problem]]\nid = "p"\nobjective = "{element(objective)}"\n'
    file = folder / "t.toml"
    file.write_text(text + f"settings = {{ {settings} }}\n")
    return load(file)


def specs_of(folder: Path, *estimators: str, objective: str = "bowl", **more):
    """The plan of a suite of one problem for test estimators such as "walk:n=2"."""
    suite = suite_of(folder, objective, **more)
    return plan(suite, [element(e) for e in estimators])


def comparable(store):
    """The tables of a store, without what two executions may differ in, in one order."""
    keys = ["run_key", "estimator", "queries", "kind", "target_index"]
    traces = store.traces().astype({"run_key": "str"})  # categories are in the order of the runs
    frames = [store.runs(), store.hits(), traces]
    frames = [f.drop(columns=[c for c in VARYING if c in f]) for f in frames]
    return [f.sort_values([k for k in keys if k in f]).reset_index(drop=True) for f in frames]


def without_checksums(db: sqlite3.Connection) -> None:
    """Make a results file one of an earlier layout, whose rows a test may edit."""
    db.execute("DROP TABLE checks")
    db.execute("PRAGMA user_version = 1")
