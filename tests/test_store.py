"""The store: what is written is read, faults are one line, and history is never edited."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from harness_tools import element, specs_of, suite_of

from zobench.cli import status_of
from zobench.errors import BadInput
from zobench.harness.environment import cpu_name, environment, fingerprint
from zobench.harness.mending import mend
from zobench.harness.plan import plan
from zobench.harness.result import RunResult
from zobench.harness.run import execute
from zobench.harness.store import FILE, Store

PLACE = {"machine": "test"}


@pytest.fixture
def filled():
    """A maker of stores with the results of specs, made in this process; closed after the test."""
    stores = []

    def fill(folder, specs, status=None):
        store = Store.open(folder)
        stores.append(store)
        store.begin(specs, PLACE)
        results = [execute(spec) for spec in specs]
        store.add([replace(r, status=status) if status else r for r in results])
        return store, results

    yield fill
    for store in stores:
        store.close()


def test_what_is_written_is_read(filled, tmp_path):
    specs = specs_of(tmp_path, "walk", "walk:n=2", instances='"3-4"')
    store, results = filled(tmp_path / "r", specs)
    runs, hits, traces = store.runs(), store.hits(), store.traces()
    assert list(runs.run_key) == [s.key for s in specs]
    for spec, result, run in zip(specs, results, runs.itertuples()):
        assert (run.suite, run.suite_version, run.problem, run.group) == ("t", "1", "p", "bowl")
        assert (run.dimension, run.instance, run.repetition) == (
            4,
            3 + spec.repetition,
            spec.repetition,
        )
        assert (run.estimator, run.estimator_name) == (spec.estimator.text, spec.estimator.entry)
        assert json.loads(run.settings) == spec.estimator.settings
        assert json.loads(run.settings_from) == spec.estimator.settings_from
        assert (run.seed, run.status, run.scored) == (spec.problem_seed, "budget", "best")
        assert (run.queries, run.final_score) == (200, result.final_score)
        assert run.seconds == pytest.approx(result.estimator_seconds + result.objective_seconds)
        assert json.loads(run.describe) == result.describe
        assert store.environments()[run.environment] == PLACE
        mine = traces[traces.run_key == spec.key]
        table = mine[["queries", "seconds", "score", "best"]].to_numpy()
        assert np.array_equal(table, np.array(result.trace), equal_nan=True)
        mine = hits[hits.run_key == spec.key].drop(columns="run_key")
        assert set(mine.itertuples(index=False, name=None)) == set(result.hits)
    assert store.specs() == specs


def test_problems_tell_their_targets(tmp_path):
    specs = specs_of(tmp_path, "walk", targets="{ log10 = [1, -1], step = -1 }")
    with Store.open(tmp_path / "r") as store:
        store.begin(specs, PLACE)
        before = store.problems()
        assert list(before.target) == [10.0, 1.0, 0.1]
        assert before.dimension.isna().all()
        store.add([execute(spec) for spec in specs])
        table = store.problems()
    assert list(table.target_index) == [0, 1, 2]
    assert set(table.kind) == {"best"}
    assert set(table.dimension) == {4}
    assert set(table.budget) == {200}
    assert set(table.group) == {"bowl"}


def test_an_empty_store_reads_as_empty_tables(tmp_path):
    with Store.open(tmp_path / "r") as store:
        store.begin(specs_of(tmp_path, "walk"), PLACE)
        assert len(store.runs()) == len(store.hits()) == len(store.traces()) == 0
        assert {"run_key", "queries", "score"} <= set(store.traces().columns)
        assert {"run_key", "status", "seconds"} <= set(store.runs().columns)


def test_a_failed_run_gets_a_new_attempt_and_its_row_stays(filled, tmp_path):
    specs = specs_of(tmp_path, "walk", repetitions=1)
    store, results = filled(tmp_path / "r", specs, status="failed")
    assert store.done([specs[0].key]) == set()
    store.add(results)
    assert store.done([specs[0].key, "unknown"]) == {specs[0].key}
    run = store.runs().iloc[0]
    assert (run.status, run.attempt) == ("budget", 2)
    assert len(store.hits()) == len(results[0].hits)
    rows = store.db.execute("SELECT status, attempt FROM runs ORDER BY id").fetchall()
    assert rows == [("failed", 1), ("budget", 2)]


def test_earlier_attempts_change_no_type_of_a_column(filled, tmp_path):
    specs = specs_of(tmp_path, "walk", repetitions=1)
    usual, results = filled(tmp_path / "usual", specs)
    killed = RunResult(specs[0].key, "failed", "killed before the problem was built")
    with Store.open(tmp_path / "r") as store:
        store.begin(specs, PLACE)
        store.add([killed])
        store.add(results)
        assert (store.runs().dtypes == usual.runs().dtypes).all()
        assert (store.problems().dtypes == usual.problems().dtypes).all()


@pytest.mark.parametrize("status", ["ok", "target", "budget", "diverged", "skipped"])
def test_settled_statuses_are_done(filled, tmp_path, status):
    specs = specs_of(tmp_path, "walk", repetitions=1)
    store, _ = filled(tmp_path / "r", specs, status)
    assert store.done([specs[0].key]) == {specs[0].key}


@pytest.mark.parametrize("status", ["failed", "timeout", "oom"])
def test_unsettled_statuses_are_not_done(filled, tmp_path, status):
    specs = specs_of(tmp_path, "walk", repetitions=1)
    store, _ = filled(tmp_path / "r", specs, status)
    assert store.done([specs[0].key]) == set()


def test_tables_show_what_was_asked_last(filled, tmp_path):
    """Another budget makes other runs; the tables never mix the two, and forget neither."""
    suite = suite_of(tmp_path)
    walk, pair = element("walk"), element("walk:n=2")
    small = plan(suite, [walk, pair])
    large = plan(suite, [walk], budget=300)
    store, _ = filled(tmp_path / "r", small)
    store.begin(large, PLACE)
    assert len(store.runs()) == 0  # none of these is made yet
    store.add([execute(spec) for spec in large])
    assert set(store.runs().queries) == {300}
    assert set(store.problems().budget) == {300}
    store.begin(small, PLACE)
    assert set(store.runs().queries) == {200}
    assert len(store.runs()) == 4
    assert set(store.hits().run_key) == {s.key for s in small}


def test_a_changed_estimator_replaces_its_rows_and_no_others(filled, tmp_path):
    specs = specs_of(tmp_path, "walk", "walk:n=2", repetitions=1)
    store, _ = filled(tmp_path / "r", specs)
    changed = replace(specs[0], estimator=replace(specs[0].estimator, version="2"))
    store.begin([changed], PLACE)
    store.add([replace(execute(specs[0]), key=changed.key)])
    assert set(store.runs().run_key) == {changed.key, specs[1].key}
    store.begin(specs, PLACE)  # back to the first version: nothing to make, and it shows
    assert set(store.runs().run_key) == {s.key for s in specs}


def test_fewer_repetitions_hide_nothing(filled, tmp_path):
    suite = suite_of(tmp_path)
    specs = plan(suite, [element("walk")], repetitions=3)
    store, _ = filled(tmp_path / "r", specs)
    store.begin(plan(suite, [element("walk")], repetitions=1, time_limit=5.0), PLACE)
    assert len(store.runs()) == 3


def test_a_second_writer_is_refused_and_readers_are_not(tmp_path):
    with Store.open(tmp_path / "r"):
        with pytest.raises(BadInput, match="another process is writing"):
            Store.open(tmp_path / "r")
        Store.open(tmp_path / "r", write=False).close()
    Store.open(tmp_path / "r").close()


def test_a_closed_store_is_one_file(filled, tmp_path):
    specs = specs_of(tmp_path, "walk")
    store, results = filled(tmp_path / "r", specs)
    assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with Store.open(tmp_path / "r", write=False) as reader:
        assert len(reader.runs()) == len(results)
        store.close()  # another process still reads: nothing is lost, whatever files there are
        assert len(reader.runs()) == len(results)
    with Store.open(tmp_path / "r") as store:
        assert store.done(spec.key for spec in specs) == {spec.key for spec in specs}
    with Store.open(tmp_path / "r", write=False) as reader:
        assert len(reader.runs()) == len(results)
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [".lock", "results.sqlite"]


def test_folders_that_cannot_hold_results(tmp_path):
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/zobench")):
        with pytest.raises(BadInput, match="cannot write results to") as caught:
            Store.open(folder)
        assert "\n" not in str(caught.value)


@pytest.fixture
def public():
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def without_privileges(code, *arguments):
    """What `code` prints, run by a user for whom permissions hold (root gives its rights up)."""
    code = (
        "import os, sys, pandas\n"
        "import zobench.harness.run\n"
        "from zobench.errors import BadInput\n"
        "from zobench.harness.store import Store\n"
        "os.geteuid() or os.setuid(65534)\n"
    ) + code
    command = [sys.executable, "-c", code, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_folder_without_write_permission(public):
    folder = public / "locked"
    folder.mkdir(mode=0o555)
    code = "try: Store.open(sys.argv[1])\nexcept BadInput as error: print(error)"
    said = without_privileges(code, folder)
    assert said == f"cannot write results to '{folder}': Permission denied\n"


def test_files_that_are_no_results(tmp_path):
    with pytest.raises(BadInput, match="no results in"):
        Store.open(tmp_path, write=False)
    (tmp_path / "results.sqlite").write_text("no database at all, but text of some length\n" * 9)
    for write in (True, False):
        with pytest.raises(BadInput, match=r"is damaged, or another program.s: file is not a data"):
            Store.open(tmp_path, write=write)
    Store.open(tmp_path / "r").close()
    with sqlite3.connect(tmp_path / "r" / "results.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(BadInput, match="has layout 99, of a later zobench"):
        Store.open(tmp_path / "r")
    with sqlite3.connect(tmp_path / "other.sqlite") as db:
        db.execute("CREATE TABLE other (x)")
    db.close()
    (tmp_path / "o").mkdir()
    (tmp_path / "other.sqlite").rename(tmp_path / "o" / "results.sqlite")
    with pytest.raises(BadInput, match="it is another program's; move it away"):
        Store.open(tmp_path / "o")
    (tmp_path / "d" / "results.sqlite").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"d/results.sqlite cannot be used .*; move it away"):
        Store.open(tmp_path / "d")


def _no_bytes(file):
    file.touch()


def _no_tables(file):
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize("left", [_no_bytes, _no_tables])
def test_a_file_that_was_only_begun_is_no_results_and_is_filled(tmp_path, left):
    left(tmp_path / "results.sqlite")
    with pytest.raises(BadInput, match=r"no results in .*is empty; run something first"):
        Store.open(tmp_path, write=False)
    assert mend(tmp_path) == []
    with Store.open(tmp_path) as store:
        store.begin(specs_of(tmp_path, "walk"), PLACE)
    with Store.open(tmp_path, write=False) as store:
        assert len(store.specs())


@pytest.mark.parametrize("left", [_no_bytes, _no_tables])
def test_a_command_goes_on_from_a_file_that_was_only_begun(tmp_path, left):
    suite_of(tmp_path, repetitions=1)
    (tmp_path / "r").mkdir()
    left(tmp_path / "r" / "results.sqlite")
    more = ("--suite", str(tmp_path / "t.toml"), "--out", str(tmp_path / "r"), "-j", "1")
    assert status_of(["run", element("walk"), *more]) == 0
    with Store.open(tmp_path / "r", write=False) as store:
        assert len(store.runs()) == 1


@pytest.mark.parametrize("column", ["queries", "final_score", "dimension"])
def test_text_for_a_number_is_one_line(filled, tmp_path, column):
    """Of a file that someone else made: SQLite keeps whatever is put into a column."""
    store, _ = filled(tmp_path / "r", specs_of(tmp_path, "walk"))
    store.db.execute(f"UPDATE runs SET {column} = 'abc'")
    with pytest.raises(BadInput, match=r"r/results.sqlite cannot be used .*'abc'.*; move it away"):
        store.runs()
    store.db.rollback()
    store.close()


def test_names_in_a_file_of_someone_else_may_not_steer_the_terminal(filled, tmp_path):
    store, _ = filled(tmp_path / "r", specs_of(tmp_path, "walk"))
    store.db.execute("UPDATE plans SET estimator = 'a' || char(27) || '[31m'")
    with pytest.raises(
        BadInput, match=r"r/results.sqlite: a name holds characters that do not print"
    ):
        store.specs()
    store.db.rollback()
    store.close()


def test_results_can_be_read_where_nothing_can_be_written(filled, tmp_path, public):
    specs = specs_of(tmp_path, "walk")
    store, _ = filled(tmp_path / "r", specs)
    store.close()
    copy = public / "copy"
    copy.mkdir()
    (copy / "results.sqlite").write_bytes((tmp_path / "r" / "results.sqlite").read_bytes())
    copy.chmod(0o555)
    code = "with Store.open(sys.argv[1], write=False) as store: print(len(store.runs()))"
    assert without_privileges(code, copy) == f"{len(specs)}\n"
    assert [p.name for p in copy.iterdir()] == ["results.sqlite"]


def test_a_full_disk_is_one_line_and_loses_nothing_committed(filled, tmp_path):
    specs = specs_of(tmp_path, "walk", repetitions=40)
    store, results = filled(tmp_path / "r", specs[:2])
    pages = store.db.execute("PRAGMA page_count").fetchone()[0]
    store.db.execute(f"PRAGMA max_page_count = {pages + 5}")
    added = 2
    with pytest.raises(BadInput, match="database or disk is full; what was stored") as caught:
        for number, spec in enumerate(specs[2:]):
            store.add([replace(results[0], key=spec.key)])
            added = 3 + number
    assert "\n" not in str(caught.value)
    assert 2 < added < 40
    assert store.db.execute("SELECT COUNT(*) FROM runs").fetchone() == (added,)
    store.close()
    with Store.open(tmp_path / "r") as again:
        assert again.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert again.db.execute("SELECT COUNT(*) FROM runs").fetchone() == (added,)


def test_a_file_that_may_not_grow_is_one_line(tmp_path):
    """The limit of the system on file size, as a real write error under SQLite."""
    code = (
        "import resource, sys\n"
        "from zobench.errors import BadInput\n"
        "from zobench.harness.result import RunResult\n"
        "from zobench.harness.store import Store\n"
        "store = Store.open(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "try:\n"
        "    for k in range(1000):\n"
        "        trace = [(j, 0, 0, 0) for j in range(99)]\n"
        "        store.add([RunResult(f'{k:024}', 'budget', trace=trace)])\n"
        "except BadInput as error:\n"
        "    print(k, error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "r")],
        capture_output=True,
        text=True,
        check=True,
    )
    stored, _, message = run.stdout.partition(" ")
    assert "what was stored before is kept" in message, run.stderr
    with Store.open(tmp_path / "r") as store:
        assert store.db.execute("SELECT COUNT(*) FROM runs").fetchone() == (int(stored),)
        assert int(stored) > 10


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path):
    good = RunResult("a" * 24, "budget", hits=[("best", 0, 1.0, 1, 0.1)])
    twice = RunResult("b" * 24, "budget", hits=[("best", 0, 1.0, 1, 0.1)] * 2)
    with Store.open(tmp_path / "r") as store:
        with pytest.raises(sqlite3.IntegrityError):
            store.add([good, twice])
        assert store.db.execute("SELECT COUNT(*) FROM runs").fetchone() == (0,)


def test_the_environment_is_found_without_importing(tmp_path):
    code = (
        "import sys; from zobench.harness.environment import environment; e = environment(2, 3)\n"
        "print(e['packages']['torch'], e['threads'], e['jobs'], 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, threads, jobs, loaded = out.stdout.split()
    assert (threads, jobs, loaded) == ("2", "3", "False")
    assert version[0].isdigit()
    here = environment()
    assert here["cores"] == len(os.sched_getaffinity(0))
    assert here["cpu"]
    assert here["memory"] > 2**28
    assert fingerprint(here) == fingerprint(json.loads(json.dumps(here)))
    assert len(fingerprint(here)) == 12


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (
            "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n"
            "flags\t\t: fpu avx avx2\n\nprocessor\t: 1\nmodel\t\t: 2\n",
            "AMD EPYC (family 25, model 1, AVX2)",
        ),
        ("model name: X\nflags: avx2 avx512f\n", "X (AVX-512)"),
        ("model name: X\n", "X"),
        ("processor: 0\nBogoMIPS: 50.00\n", ""),
        ("", ""),
    ],
)
def test_processors_of_one_name_are_told_apart(said, name):
    assert cpu_name(said) == name


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_has_a_plus_where_something_but_leaderboards_changed(tmp_path, monkeypatch):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", *who, "-C", str(tmp_path), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    for folder in ("zobench", "leaderboards"):
        (tmp_path / folder).mkdir()
    code = tmp_path / "zobench" / "__init__.py"
    code.write_text("")
    monkeypatch.setattr("zobench.__file__", str(code))
    assert environment()["commit"] == ""  # no checkout
    git("init", "-q"), git("add", "."), git("commit", "-qm", "first")
    head = git("rev-parse", "HEAD")
    assert environment()["commit"] == head
    (tmp_path / "leaderboards" / "s.csv").write_text("suite")
    assert environment()["commit"] == head
    (tmp_path / "zobench" / "new.py").write_text("")
    assert environment()["commit"] == head + "+"


GONE = {
    "folder removed": (
        lambda f: shutil.rmtree(f),
        r"sqlite was removed .* lost \(2 finished runs\)",
    ),
    "file removed": (lambda f: (f / FILE).unlink(), r"sqlite was removed .* lost \(2 finished"),
    "folder moved": (
        lambda f: f.rename(f.with_name("m")),
        r"moved to .*/m/results.sqlite .* holds 2",
    ),
    "file moved": (
        lambda f: (f / FILE).rename(f / "m"),
        r"moved to .*/r/m .* holds 2 .* move it back",
    ),
    "folder replaced": (
        lambda f: (f.rename(f.with_name("m")), Store.open(f).close()),
        r"moved to .*/m/results.sqlite .* holds 2",
    ),
    "file replaced": (
        lambda f: (shutil.copy(f / FILE, f / "c"), (f / "c").replace(f / FILE)),
        r"sqlite was replaced by another file .* lost",
    ),
    "file overwritten": (lambda f: (f / FILE).write_bytes(b"x"), r"was overwritten by another"),
    "log removed": (
        lambda f: (f / f"{FILE}-wal").unlink(),
        r"-wal was removed .* holds 2 .* goes on",
    ),
    "lock removed": (lambda f: (f / ".lock").unlink(), r"\.lock was removed .* holds 2 .* goes on"),
}


@pytest.mark.parametrize(("act", "said"), GONE.values(), ids=GONE)
def test_results_that_leave_their_place_are_told_before_anything_is_lost(
    filled, tmp_path, act, said
):
    folder = tmp_path / "r"
    specs = specs_of(tmp_path, "walk", repetitions=2)
    store, results = filled(folder, specs)
    store.check_place()
    act(folder)
    there = {p: p.read_bytes() for p in tmp_path.rglob("*.sqlite")} if "lost" in said else {}
    for again in (store.check_place, lambda: store.add(results), store.check_place):
        with pytest.raises(BadInput, match=said) as caught:
            again()
        assert "\n" not in str(caught.value)
    store.close()
    assert all(path.read_bytes() == data for path, data in there.items())
    for place in (folder, tmp_path / "m"):
        if "holds 2" in said and (place / FILE).is_file() and place == tmp_path / "m":
            with Store.open(place, write=False) as kept:
                assert len(kept.runs()) == 2


def test_two_writers_never_hold_one_folder(tmp_path):
    with Store.open(tmp_path / "r") as first:
        (tmp_path / "r" / ".lock").unlink()
        with Store.open(tmp_path / "r"), pytest.raises(BadInput, match="lock was replaced"):
            first.check_place()


def test_what_is_noted_already_is_not_noted_again(filled, tmp_path):
    specs = specs_of(tmp_path, "walk", "walk:n=2", repetitions=3)
    store, _ = filled(tmp_path / "r", specs)
    count = "SELECT COUNT(*) FROM plans"
    assert store.db.execute(count).fetchone() == (6,)
    store.begin(specs, PLACE)
    store.begin(specs[:2], PLACE)
    assert store.db.execute(count).fetchone() == (6,)
    store.begin(specs_of(tmp_path, "walk", "walk:n=2", "walk:n=4", repetitions=3), PLACE)
    assert store.db.execute(count).fetchone() == (9,)
    assert len(store.specs()) == 9
    assert len(store.runs()) == 6


def test_a_disk_without_room_for_a_file_is_said(tmp_path, monkeypatch):
    def full(path, *arguments, **more):
        raise OSError(28, "No space left on device")

    (tmp_path / "r").mkdir()
    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(BadInput, match=r"cannot write results to .*: No space left on device$"):
        Store.open(tmp_path / "r")
