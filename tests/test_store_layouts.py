"""A results folder of an earlier release opens, resumes and reports after an upgrade."""

import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from zobench.cli import status_of
from zobench.errors import BadInput
from zobench.harness.mending import mend
from zobench.harness.schema import ADDED_IN, VERSION
from zobench.harness.store import Store
from zobench.results.stored import stored

STORED = Path(__file__).parent / "stored"
LAYOUTS = sorted(STORED.glob("layout-*.sqlite"))
SUITE = """
name = "stored"
version = "1"
budget = 60
repetitions = 2

[[problem]]
id = "sphere-d3"
objective = "sphere"
settings = { dim = 3 }
targets = [1.0, 0.1]
"""


@pytest.fixture(params=LAYOUTS, ids=lambda path: path.stem)
def folder(request, tmp_path):
    """A results folder that an earlier release has left."""
    (tmp_path / "old").mkdir()
    shutil.copy(request.param, tmp_path / "old" / "results.sqlite")
    return tmp_path / "old"


def layout(folder):
    db = sqlite3.connect(folder / "results.sqlite")
    found = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return found


def test_it_is_read_as_it_is(folder):
    before = (folder / "results.sqlite").read_bytes()
    results = stored(folder, "stored")
    assert list(results.runs["estimator"]) == ["spsa", "zo-sgd"] * 2
    assert results.runs["queries"].eq(60).all()
    later = [c for number, columns in ADDED_IN.items() if number > layout(folder) for c in columns]
    assert results.runs[later].isna().all(axis=None)
    assert not results.traces.empty
    assert not results.hits.empty
    assert (folder / "results.sqlite").read_bytes() == before
    assert layout(folder) < VERSION


def test_it_reports_the_same_after_the_upgrade(folder):
    before = stored(folder, "stored")
    with Store.open(folder):
        pass
    assert layout(folder) == VERSION
    after = stored(folder, "stored")
    for name in ("runs", "hits", "traces", "problems"):
        pd.testing.assert_frame_equal(getattr(before, name), getattr(after, name))
    assert mend(folder) == []


def test_it_resumes_and_new_runs_say_more(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(SUITE)
    old = stored(folder, "stored").runs
    more = ("run", "spsa", "zo-sgd", "mezo", "--suite", "mine.toml", "--out", "old", "-j", "1")
    assert status_of(more) == 0
    runs = stored(folder, "stored").runs
    kept = runs[runs["run_key"].isin(list(old["run_key"]))]
    if set(old["run_key"]) <= set(runs["run_key"]):  # until an element's version is raised
        assert list(kept["started"]) == list(old["started"])
    new = runs[runs["estimator"] == "mezo"]
    assert new["score_name"].eq("gap").all()
    assert new["memory_kind"].eq("traced").all()
    assert (new["build_seconds"] > 0).all()
    assert (new["score_seconds"] >= 0).all()


def test_damage_of_it_is_found_before_and_after_the_upgrade(folder):
    def change(text):
        db = sqlite3.connect(folder / "results.sqlite")
        with db:
            db.execute(text)
        db.close()

    change("UPDATE runs SET queries = 59 WHERE id = 1")
    with pytest.raises(BadInput, match="damaged"):
        stored(folder, "stored")
    assert "3 sound runs were kept" in mend(folder)[0]
    assert layout(folder) == VERSION
    change("UPDATE runs SET state_bytes = 1.5 WHERE id = 2")
    with pytest.raises(BadInput, match="damaged"):
        stored(folder, "stored")


def test_a_later_layout_asks_for_an_upgrade(folder):
    db = sqlite3.connect(folder / "results.sqlite")
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    for write in (False, True):
        with pytest.raises(BadInput, match="of a later zobench"):
            Store.open(folder, write=write)


def test_the_command_of_a_report_names_the_file_of_the_suite(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.toml").write_text(SUITE)
    assert status_of(["run", "spsa", "--suite", "sub/mine.toml", "--out", "old", "-j", "1"]) == 0
    assert status_of(["report", "old", "--format", "md", "--out", "own.md"]) == 0
    assert "--suite sub/mine.toml" in (tmp_path / "own.md").read_text()
