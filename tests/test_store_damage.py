"""Damaged results: each change that can be seen is told, and all that is sound is kept."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_tools import element, suite_of

from zobench.errors import BadInput
from zobench.harness import checks, salvage
from zobench.harness.database import LATEST
from zobench.harness.mending import mend
from zobench.harness.plan import plan
from zobench.harness.result import RunResult
from zobench.harness.schema import ADDED, VERSION
from zobench.harness.store import Store

FRAMES = ("runs", "hits", "traces", "problems")


def results_of(specs, rows=20):
    """Results as if the runs had been made."""
    rng = np.random.default_rng(0)
    for number, spec in enumerate(specs):
        trace = [(q, q * 1e-3, float(rng.normal()), float(rng.normal())) for q in range(rows)]
        hits = [("best", i, 10.0**-i, 7 * i + number, 0.1 * i) for i in range(number % 4)]
        yield RunResult(
            spec.key, "budget", queries=200, calls=200, estimator_seconds=float(rng.random()),
            final_score=float(rng.random()), best_score=0.5, scored="best", dimension=4,
            started="2026-01-01", describe={"dim": 4}, scores={"gap": 0.25}, hits=hits, trace=trace,
        )  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A results folder, its specs and its tables."""
    folder = tmp_path_factory.mktemp("sound")
    specs = plan(suite_of(folder), [element("walk"), element("walk:n=2")], repetitions=30)
    with Store.open(folder / "r") as store:
        store.begin(specs, {"machine": "test"})
        store.add(results_of(specs))
    return folder / "r", specs, tables_of(folder / "r")


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """As `sound`, of more runs, which were stored few at a time, as a command does."""
    folder = tmp_path_factory.mktemp("grown")
    specs = plan(suite_of(folder), [element("walk"), element("walk:n=2")], repetitions=200)
    results = list(results_of(specs))
    with Store.open(folder / "r") as store:
        store.begin(specs, {"machine": "test"})
        for first in range(0, len(results), 8):
            store.add(results[first : first + 8])
    return folder / "r", specs, tables_of(folder / "r")


def tables_of(folder) -> dict[str, Any]:
    with Store.open(folder, write=False) as store:
        found = {name: getattr(store, name)() for name in FRAMES}
        found["traces"] = found["traces"].astype({"run_key": "str"})  # categories differ with runs
        return found | {"specs": store.specs()}


def same(a, b):
    return all(a[name].equals(b[name]) for name in FRAMES) and a["specs"] == b["specs"]


def copied(sound, tmp_path):
    folder = tmp_path / "r"
    shutil.copytree(sound[0], folder)
    return folder


def edited(folder, command, *values):
    db = sqlite3.connect(folder / "results.sqlite")
    with db:
        db.execute(command, values)
    db.close()


EDITS = {
    "score": "UPDATE runs SET final_score = final_score + 1e-12 WHERE id = 7",
    "status": "UPDATE runs SET status = 'target' WHERE id = 7",
    "scores": """UPDATE runs SET scores = '{"gap": 0.26}' WHERE id = 7""",
    "number as text": "UPDATE runs SET queries = '200' WHERE id = 7",
    "hit": "UPDATE hits SET queries = 1 WHERE run = 7 AND target_index = 1",
    "hit away": "DELETE FROM hits WHERE run = 7 AND target_index = 1",
    "hit of another": "UPDATE hits SET run = 5 WHERE run = 7",
    "trace": "UPDATE traces SET rows = substr(rows, 1, 320) WHERE run = 7",
    "trace away": "DELETE FROM traces WHERE run = 7",
    "run away": "DELETE FROM runs WHERE id = 7",
    "key": "UPDATE runs SET run_key = 'x' WHERE id = 7",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_run_that_was_changed_is_named_and_only_it_is_lost(sound, tmp_path, edit):
    folder, (_, specs, before) = copied(sound, tmp_path), sound
    edited(folder, edit)
    for name in (*FRAMES, "specs"):
        with (
            Store.open(folder, write=False) as store,
            pytest.raises(BadInput, match=r"r/results.sqlite: damaged: run .*`zobench run`") as why,
        ):
            getattr(store, name)()
        assert "\n" not in str(why.value)
    (line,) = mend(folder)
    assert "set aside as" in line
    after = tables_of(folder)
    lost = set(before["runs"].run_key) - set(after["runs"].run_key)
    assert specs[6].key in lost
    assert len(lost) <= 2  # "hit of another" changes two
    for name in ("runs", "hits", "traces"):
        kept = before[name][~before[name].run_key.isin(lost)].reset_index(drop=True)
        keyed = {"run_key": "str"}  # without the categories that are gone
        assert kept.astype(keyed).equals(after[name].astype(keyed))
    assert after["specs"] == before["specs"]
    assert len(list(folder.glob("damaged-*.sqlite"))) == 1
    with Store.open(folder) as store:
        assert store.done(s.key for s in specs) == {s.key for s in specs} - lost
        store.begin(specs, {"machine": "test"})
        store.add(r for r in results_of(specs) if r.key in lost)
    assert set(tables_of(folder)["runs"].run_key) == {s.key for s in specs}
    assert mend(folder) == []


@pytest.mark.parametrize("edit", [
    "UPDATE plans SET settings = '{}' WHERE id = 3",
    "UPDATE plans SET estimator = 'better' WHERE id = 3",
    "DELETE FROM plans WHERE id = 3",
    "UPDATE problems SET json = replace(json, '200', '201')",
    """UPDATE environments SET json = '{"machine": "other"}'""",
], ids=["settings", "name", "plan", "problem", "environment"])  # fmt: skip
def test_what_runs_were_asked_for_cannot_be_changed_either(sound, tmp_path, edit):
    folder = copied(sound, tmp_path)
    edited(folder, edit)
    with pytest.raises(BadInput, match="damaged"):
        tables_of(folder)
    assert mend(folder)
    with Store.open(folder) as store:  # what the next command does
        store.begin(sound[1], {"machine": "test"})
    assert set(tables_of(folder)["runs"].run_key) == {s.key for s in sound[1]}


def harm(data, kind, rng):
    """Bytes with a bit flipped, a block of 512 overwritten, or the end cut off."""
    data = bytearray(data)
    if kind == "bit":
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    elif kind == "block":
        start = 512 * int(rng.integers(len(data) // 512))
        data[start : start + 512] = rng.bytes(512)
    else:
        del data[int(rng.integers(len(data))) :]
    return bytes(data)


@pytest.mark.parametrize("kind", ["bit", "block", "end"])
def test_damage_at_random_is_told_or_changes_nothing_that_is_read(sound, tmp_path, kind):
    folder, before = copied(sound, tmp_path), sound[2]
    file, rng = folder / "results.sqlite", np.random.default_rng(1)
    whole = file.read_bytes()
    told = kept = 0
    for _ in range(25):
        file.write_bytes(harm(whole, kind, rng))
        try:
            assert same(tables_of(folder), before)
            continue
        except BadInput as error:
            told += "\n" not in str(error)
        try:
            assert mend(folder), "told, and not mended"
        except BadInput:
            continue  # not even its tables can be found
        after = tables_of(folder)
        kept += len(after["runs"])
        mine = before["runs"][before["runs"].run_key.isin(after["runs"].run_key)]
        columns = ["run_key", "final_score", "queries", "status"]
        assert pd.DataFrame(mine[columns]).sort_values("run_key").to_numpy().tolist() == (
            after["runs"][columns].sort_values("run_key").to_numpy().tolist()
        )
        for path in folder.glob("damaged-*"):
            path.unlink()
    assert told > 3
    assert kept > (5 if kind == "end" else 20) * told  # of 60 runs each


def test_a_file_from_before_checksums_is_read_and_gets_them(sound, tmp_path):
    folder, before = copied(sound, tmp_path), sound[2]
    for name in ("checks", "suites"):
        edited(folder, f"DROP TABLE {name}")
    for name in ADDED:
        edited(folder, f"ALTER TABLE runs DROP COLUMN {name}")
    edited(folder, "PRAGMA user_version = 1")
    first = {"runs": before["runs"].drop(columns=list(ADDED))}

    def same(a, b):
        runs = {"runs": a["runs"].drop(columns=list(ADDED))}
        return (
            all((a | runs)[k].equals((b | first)[k]) for k in FRAMES) and a["specs"] == b["specs"]
        )

    assert same(tables_of(folder), before)
    assert mend(folder) == []
    Store.open(folder).close()
    assert same(tables_of(folder), before)
    edited(folder, EDITS["score"])
    with pytest.raises(BadInput, match=r"damaged: run 4 of .*walk on p"):
        tables_of(folder)


def test_a_checksum_is_of_the_values_alone():
    """Pinned: a Python that wrote other bytes would call every stored run damaged."""
    values = ("key", 3, 2.5, None, b"rows", 2**40, -1, "é", float("inf"))
    assert checks._checksum(*values) == 2254367170
    twice = "".join(["ke", "y"])  # one object in two places is as two equal ones
    assert checks._checksum(twice, twice) == checks._checksum("key", "".join(["k", "ey"]))


def test_text_that_is_not_utf8_is_damage_and_can_be_mended(sound, tmp_path):
    folder = copied(sound, tmp_path)
    edited(folder, "UPDATE runs SET status = CAST(x'62ff' AS TEXT) WHERE id = 7")
    with pytest.raises(BadInput, match="is damaged") as why:
        tables_of(folder)
    assert "move it away" not in str(why.value)
    assert mend(folder)
    assert len(tables_of(folder)["runs"]) == len(sound[2]["runs"]) - 1


def zeros(data, start, end):
    return data[:start] + bytes(end - start) + data[end:]


BREAKS = {  # what is done to the bytes of a file -> the least share of its runs that is left
    "name": (lambda d: b"X" * 16 + d[16:], 1.0),
    "header": (lambda d: zeros(d, 0, 100), 1.0),
    "random header": (lambda d: np.random.default_rng(0).bytes(100) + d[100:], 1.0),
    "layout": (lambda d: d[:60] + b"\x77\x01\x02\x03" + d[64:], 1.0),
    "first page": (lambda d: zeros(d, 0, 4096), 1.0),
    "end": (lambda d: d[:-5000], 0.9),
    "tenth": (lambda d: d[: len(d) * 9 // 10], 0.5),
    "half": (lambda d: d[: len(d) // 2], 0.05),
}


@pytest.mark.parametrize(("harm", "least"), BREAKS.values(), ids=BREAKS)
def test_runs_of_a_file_that_sqlite_does_not_open_are_rescued(grown, tmp_path, harm, least):
    folder, (_, specs, before) = copied(grown, tmp_path), grown
    file = folder / "results.sqlite"
    broken = harm(file.read_bytes())
    file.write_bytes(broken)
    with pytest.raises(BadInput, match=r"is damaged.*: .*`zobench run` as before keeps all"):
        tables_of(folder)
    (line,) = mend(folder)
    after = tables_of(folder)["runs"]
    assert least * len(specs) <= len(after) <= len(specs)
    assert f"the {len(after):,} sound runs were kept" in line
    assert len(after) == len(specs) or "; at least " in line
    (aside,) = folder.glob("damaged-*.sqlite")
    assert aside.read_bytes() == broken
    mine = before["runs"].set_index("run_key").loc[after["run_key"]].reset_index()
    columns = ["run_key", "final_score", "queries", "status"]
    assert mine[columns].equals(after[columns])
    assert mend(folder) == []
    with Store.open(folder) as store:  # the next command makes the rest
        store.begin(specs, {"machine": "test"})
        lost = {s.key for s in specs} - store.done(s.key for s in specs)
        store.add(r for r in results_of(specs) if r.key in lost)
    assert set(tables_of(folder)["runs"].run_key) == {s.key for s in specs}


@pytest.mark.parametrize("layout", [0, 1, VERSION + LATEST, -VERSION])
def test_a_layout_that_is_not_that_of_the_tables_is_damage(sound, tmp_path, layout):
    folder = copied(sound, tmp_path)
    edited(folder, f"PRAGMA user_version = {layout}")
    for write in (False, True):
        with pytest.raises(BadInput, match=f"is damaged: its header names layout {layout}, which"):
            Store.open(folder, write=write)
    (said,) = mend(folder)
    assert "60 sound runs were kept" in said
    with Store.open(folder, write=False) as store:
        assert len(store.runs()) == 60
    assert mend(folder) == []


def test_the_number_of_the_layout_before_hides_no_damage(sound, tmp_path):
    folder = copied(sound, tmp_path)
    edited(folder, f"PRAGMA user_version = {VERSION - 1}")
    assert mend(folder) == []
    assert same(tables_of(folder), sound[2])
    Store.open(folder).close()
    assert same(tables_of(folder), sound[2])
    edited(folder, f"PRAGMA user_version = {VERSION - 1}")
    edited(folder, EDITS["score"])
    with pytest.raises(BadInput, match="damaged: run"):
        tables_of(folder)


def test_a_page_that_is_gone_takes_few_runs(grown, tmp_path):
    folder = copied(grown, tmp_path)
    file = folder / "results.sqlite"
    data = file.read_bytes()
    kept = []
    for page in range(1, len(data) // 4096, 7):
        file.write_bytes(zeros(data, page * 4096, page * 4096 + 4096))
        if mend(folder):  # tables show them once a command asks for them again
            with Store.open(folder, write=False) as store:
                kept.append(len(store.keys()))
    assert len(kept) > 15
    assert np.median(kept) > 380  # of 400
    assert min(kept) > 200  # a page of checksums is of many runs


def test_long_rows_and_a_side_file_are_rescued_too(tmp_path):
    specs = plan(suite_of(tmp_path), [element("walk")], repetitions=5)
    with Store.open(tmp_path / "r") as store:
        store.begin(specs, {"machine": "x" * 9000})
        store.add(results_of(specs, rows=2000))  # 64 kB each
        files = {p.name: p.read_bytes() for p in (tmp_path / "r").glob("results.sqlite*")}
    assert len(files["results.sqlite-wal"]) > 300_000  # as a kill leaves it
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "results.sqlite").write_bytes(b"no database" * 20)
    side = tmp_path / "k" / "results.sqlite-wal"
    side.write_bytes(files["results.sqlite-wal"])
    with contextlib.closing(salvage.salvaged(tmp_path / "k" / "results.sqlite")) as db:
        assert checks.misfits(db) == {}
        assert db.execute("SELECT COUNT(*) FROM runs").fetchone() == (5,)
    side.write_bytes(b"y" * 24 + files["results.sqlite-wal"][24:])  # SQLite reads it no more
    assert mend(tmp_path / "k")
    assert same(tables_of(tmp_path / "k"), tables_of(tmp_path / "r"))


def test_a_file_without_a_run_that_can_be_rescued_stays(tmp_path, sound):
    folder = copied(sound, tmp_path)
    file = folder / "results.sqlite"
    for data in (b"a diary, in another program's form\n" * 400, bytes(9000), b"\x0d" * 9000):
        file.write_bytes(data)
        with pytest.raises(BadInput, match="none of its runs can be rescued: move it away"):
            mend(folder)
        assert file.read_bytes() == data
    shutil.copy(sound[0] / "results.sqlite", file)
    edited(folder, "DROP TABLE checks")
    edited(folder, "PRAGMA user_version = 1")  # a file from before checksums
    file.write_bytes(file.read_bytes()[:-9000])
    with pytest.raises(BadInput, match="none of its runs can be rescued"):
        mend(folder)
    assert [p.name for p in folder.iterdir() if "part" in p.name or "damaged" in p.name] == []
