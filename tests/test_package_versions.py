"""Packages that define a result: recorded, found from the registration, told where they differ."""

import contextlib
import json
import sqlite3
from importlib import metadata
from pathlib import Path

import pytest
from harness_tools import without_checksums
from verify_tools import TINY, edit, make_board, read

from zobench.cli import status_of
from zobench.harness.environment import environment
from zobench.harness.packages import canonical, packages, required, versions
from zobench.leaderboard.columns import packages_of
from zobench.leaderboard.verify.rerun import elsewhere
from zobench.registry import Entry, estimators, objectives
from zobench.results.stored import stored
from zobench.results.versions import differing

USERS = """\
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

def mine(dim: int = 2):
    import yaml, os
    from scipy import stats
    return None
"""


def test_every_installed_package_is_recorded():
    here = environment()["packages"]
    assert here == versions()
    installed = {canonical(p.name): p.version for p in metadata.distributions()}
    assert here == installed
    assert all(name == canonical(name) for name in here)


@pytest.mark.parametrize("registry", [objectives, estimators], ids=lambda r: r.kind)
def test_packages_of_every_element_follow_from_its_registration(registry):
    for name in registry:
        entry = registry[name]
        found = packages(entry)
        assert found == sorted(set(found))
        assert "zobench" not in found
        assert required(entry) in ("", *found)
        assert {canonical(said) for said in entry.packages} <= set(found)
        tops = {module.partition(".")[0] for module in entry.in_worker} - {"zobench"}
        assert {canonical(top) for top in tops} <= set(found)


def test_a_users_file_needs_what_it_imports_when_it_runs(tmp_path):
    (tmp_path / "mine.py").write_text(USERS)
    entry = objectives[f"{tmp_path / 'mine.py'}:mine"]
    assert packages(entry) == ["pyyaml", "scipy"]
    assert "mujoco" in packages(entry, ["mujoco"]) or "mujoco" not in versions()
    declared = Entry("x", len, needs="cma", packages=("Some_Thing",))
    assert packages(declared) == ["cma", "some-thing"]


def change(folder: Path, **others: str) -> None:
    """Let the runs of a results folder be made with other versions."""
    with contextlib.closing(sqlite3.connect(folder / "results.sqlite")) as db, db:
        without_checksums(db)
        for key, text in db.execute("SELECT hash, json FROM environments").fetchall():
            facts = json.loads(text)
            facts["packages"] |= others
            db.execute("UPDATE environments SET json = ? WHERE hash = ?", (json.dumps(facts), key))
            db.execute("UPDATE environments SET hash = ? WHERE hash = ?", (f"{key[:-1]}x", key))
            db.execute(
                "UPDATE runs SET environment = ? WHERE environment = ?", (f"{key[:-1]}x", key)
            )


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Runs of two estimators in results/old, of versions that are not installed."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TINY)
    assert status_of([*RUN, "results/old", "-r", "1"]) == 0
    change(Path("results/old"), numpy="1.0", scipy="0.1", black="3")
    return Path("results/old")


RUN = ["run", "random-search", "scipy", "-s", "tiny.toml", "-j", "1", "-o"]


def test_a_resumed_command_tells_what_is_of_other_versions(there, capfd):
    capfd.readouterr()
    assert status_of([*RUN, str(there), "-r", "1"]) == 0
    out = " ".join(capfd.readouterr().out.split())
    assert f"were made with 1.0; here is {metadata.version('numpy')}, and --fresh" in out
    assert f"scipy: runs of scipy were made with 0.1; here is {metadata.version('scipy')}" in out
    assert "black" not in out
    assert status_of(["compare", *RUN[1:], str(there), "-r", "2"]) == 0  # some are new
    out = " ".join(capfd.readouterr().out.split())
    assert f"scipy: runs of scipy were made with 0.1 and {metadata.version('scipy')};" in out
    found = stored(there)
    assert [line.partition(":")[0] for line in differing(found)] == ["numpy", "scipy"]
    assert (
        "numpy: runs on sphere-d3, sphere-d5 and of scipy were made with 1.0 and "
        in (differing(found)[0])
    )
    for words in (["--format", "csv"], ["--format", "coco"], []):
        assert status_of(["export", str(there), "-s", "tiny.toml", *words]) == 0
        assert "scipy: runs of scipy were made with 0.1 and" in capfd.readouterr().out


def test_compared_runs_of_other_versions_are_told(there, capfd):
    words = ["compare", "random-search", "-s", "tiny.toml", "-j", "1", "-r", "1"]
    assert status_of([*words, "-o", "results/new", "--against", str(there)]) == 0
    out = " ".join(capfd.readouterr().out.split())
    assert "numpy: runs on sphere-d3, sphere-d5" in out
    assert f"were made with 1.0 and {metadata.version('numpy')}." in out


def test_equal_versions_are_not_mentioned(there, capfd):
    assert status_of([*RUN, "results/new"]) == 0
    capfd.readouterr()
    assert status_of([*RUN, "results/new"]) == 0
    assert "made with" not in capfd.readouterr().out


def test_a_row_names_what_its_runs_need(tmp_path):
    board = make_board(tmp_path, "random-search", "scipy")
    said = {row["method"]: row["packages"] for row in read(board)}
    assert said == {"random-search": "none", "scipy": f"scipy {metadata.version('scipy')}"}
    with contextlib.chdir(tmp_path):
        words = ["verify", "--form-only", str(board), "-s", "tiny.toml"]
        assert status_of(words) == 0
        row = 2 + [row["method"] for row in read(board)].index("scipy")
        edit(board, row, packages="none")
        assert status_of(words) == 1
        edit(board, row, packages="scipy 0.1")
        assert status_of(words) == 0


def test_a_rerun_names_packages_of_another_version():
    row = {"cpu": "x", "threads": "1", "python": "3.11.7", "numpy": "2.0.0", "version": "0.1.0"}
    here = row | {"zobench": "0.1.0", "packages": {"numpy": "2.0.0", "mujoco": "4.0.0"}}
    assert elsewhere(row, here) == []
    assert elsewhere(row | {"packages": "none"}, here) == []
    assert elsewhere(row | {"packages": "unknown"}, here) == []
    assert elsewhere(row | {"packages": "mujoco 4.0.0"}, here) == []
    assert elsewhere(row | {"packages": "mujoco 3.3.7"}, here) == ["mujoco 4.0.0 for 3.3.7"]
    assert elsewhere(row | {"packages": "cma 4.0"}, here) == ["cma unknown for 4.0"]
    assert packages_of("a 1; b-c 2 | 3") == {"a": "1", "b-c": "2 | 3"}
    assert packages_of("none") == packages_of("a") == packages_of("a 1;b 2") == {}
