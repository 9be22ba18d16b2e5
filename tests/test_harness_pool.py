"""Runs in worker processes: every way to misbehave, isolation, determinism, order, limits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from harness_tools import comparable, element, specs_of, suite_of

from zobench.errors import BadInput
from zobench.harness.handle import IN_WORKER
from zobench.harness.plan import plan
from zobench.harness.pool import LOG, run_all
from zobench.harness.store import Store


@pytest.fixture(scope="module")
def misbehaved(tmp_path_factory):
    """One command with every kind of fault among good runs: its runs by fault, and its counts."""
    folder = tmp_path_factory.mktemp("faults")
    kinds = ("raise", "nan", "spin", "stubborn", "hoard", "creep", "exit", "kill", "none")
    suite = suite_of(folder, "bad", time_limit=0.6, memory_limit=200.0, repetitions=1)
    problem = suite.problems[0]
    problems = tuple(
        replace(problem, id=kind, settings=problem.settings | {"kind": kind}) for kind in kinds
    )
    problems = [p if p.id != "creep" else replace(p, time_limit=20.0) for p in problems]
    specs = plan(replace(suite, problems=tuple(problems)), [element("walk"), element("walk:n=2")])
    with Store.open(folder / "r") as store:
        counts = run_all(specs, store, jobs=2)
        runs = store.runs()
        again = store.done([s.key for s in specs])
    return runs.set_index("problem"), counts, again


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("raise", "failed", "ZeroDivisionError: the sun went out (tests/harness_elements.py:"),
        ("nan", "diverged", "the loss was nan at query 101"),
        ("spin", "timeout", "stopped after 0.6 s"),
        ("stubborn", "timeout", "killed: it did not stop after 0.6 s"),
        ("hoard", "oom", "Unable to allocate"),
        ("creep", "oom", "killed: it used more than 200 MiB"),
        ("exit", "failed", "its process ended with status 0"),
        ("kill", "failed", "killed by signal 9 (SIGKILL)"),
        ("none", "budget", ""),
    ],
)
def test_every_fault_is_a_row_with_its_reason(misbehaved, kind, status, reason):
    rows = misbehaved[0].loc[kind]
    assert len(rows) == 2
    assert set(rows.status) == {status}
    assert all(reason in r for r in rows.reason) if reason else set(rows.reason) == {""}
    if kind in ("raise", "nan", "spin", "hoard"):  # what was known is kept
        assert all(rows.queries >= 100)
        assert all(rows.dimension == 3)
        assert all(rows.best_score < 10)


def test_faults_are_counted_and_the_settled_not_made_again(misbehaved):
    runs, counts, done = misbehaved
    expected = {"failed": 6, "diverged": 2, "timeout": 4, "oom": 4, "budget": 2}
    assert counts == {"resumed": 0, **expected}
    settled = runs[runs.status.isin(["diverged", "budget"])].run_key
    assert done == set(settled)


def test_a_killed_run_keeps_the_hits_of_its_last_report(tmp_path):
    """It reports every two seconds, then holds the interpreter until it is killed."""
    (spec,) = specs_of(
        tmp_path,
        "walk",
        objective="bad",
        settings='kind = "stubborn", at = 10',
        repetitions=1,
        time_limit=2.2,
    )
    events = []
    with Store.open(tmp_path / "r") as store:
        run_all([spec], store, on_event=events.append)
        run = store.runs().iloc[0]
        hits, traces = store.hits(), store.traces()
    assert (run.status, run.queries, run.dimension) == ("timeout", 10, 3)
    assert len(hits) > 0
    assert traces.queries.max() >= 8
    assert [e.kind for e in events] == ["started", "progress", "finished"]
    assert events[1].queries == 10
    assert events[1].best == pytest.approx(run.best_score)


def test_jobs_and_order_change_no_result(tmp_path):
    specs = specs_of(tmp_path, "walk:n=3", "walk", settings="noisy = true", repetitions=6)
    frames = []
    for number, (order, jobs) in enumerate([(specs, 1), (specs[::-1], 2)]):
        with Store.open(tmp_path / str(number)) as store:
            run_all(order, store, jobs)
            frames.append((store.runs(), store.hits(), store.traces()))
    for one, two in zip(*frames):
        keys = [c for c in ("run_key", "kind", "target_index", "queries") if c in one]
        one, two = (
            f.drop(columns="seconds").sort_values(keys).reset_index(drop=True) for f in (one, two)
        )
        if "describe" in one:
            one, two = comparable(one), comparable(two)
            assert len(one) == 12
        assert one.equals(two)


def test_events_tell_the_story_of_each_run(tmp_path):
    specs = specs_of(tmp_path, "walk", repetitions=3)
    events = []
    with Store.open(tmp_path / "r") as store:
        assert run_all(specs, store, on_event=events.append) == {"resumed": 0, "budget": 3}
        assert run_all(specs, store, on_event=events.append) == {"resumed": 3}
    for spec in specs:
        mine = [e for e in events if e.spec == spec]
        assert [e.kind for e in mine] == ["started", "finished"]
        assert mine[-1].result.status == "budget"
        assert mine[-1].queries == 200
    assert [e.made for e in events if e.kind == "finished"] == [1, 2, 3]
    assert {e.total for e in events} == {3}


def test_an_isolated_run_has_a_memory_of_its_own(tmp_path):
    """An evaluation takes 64 MiB; the hoarder holds 128 more; scoring takes 200, and is not seen."""
    specs = specs_of(
        tmp_path, "walk", "hoarder:mib=128", objective="roomy", repetitions=2, budget=40
    )
    with Store.open(tmp_path / "r") as store:
        run_all(specs, store)
        runs = store.runs()
    assert set(runs.status) == {"budget"}
    lean, fat = (runs[runs.estimator == element(e)] for e in ("walk", "hoarder:mib=128"))
    assert all(abs(lean.memory_ratio - 1.0) < 0.1)
    assert all(abs(fat.memory_ratio - 3.0) < 0.2)
    extra = fat.peak_memory.mean() - lean.peak_memory.mean()
    assert abs(extra / 2**20 - 128) < 15


def test_runs_that_share_a_process_have_no_memory_ratio(tmp_path):
    with Store.open(tmp_path / "r") as store:
        run_all(specs_of(tmp_path, "walk"), store)
        runs = store.runs()
    assert runs.memory_ratio.isna().all()
    assert (runs.peak_memory > 2**20).all()


def test_two_names_of_equal_settings_are_one_run(tmp_path):
    specs = specs_of(tmp_path, "walk", "walk:n=1", repetitions=2)
    with Store.open(tmp_path / "r") as store:
        assert run_all(specs, store) == {"resumed": 0, "budget": 2}
        runs = store.runs()
    assert len(runs) == 4
    assert runs.run_key.nunique() == 2


def test_a_worker_that_cannot_load_the_file_fails_the_run(tmp_path):
    file = tmp_path / "fragile.py"
    file.write_text(
        "import os\n"
        f"if {IN_WORKER!r} in os.environ:\n    os._exit(9)\n"
        f"from harness_elements import walk\n"
    )
    specs = plan(suite_of(tmp_path, repetitions=1), [f"{file}:walk", element("walk")])
    with Store.open(tmp_path / "r") as store:
        assert run_all(specs, store) == {"resumed": 0, "failed": 1, "budget": 1}
        reason = store.runs().reason[0]
    assert reason == f"no worker lived to begin it (its process ended with status 9); see {LOG}"


def test_what_runs_print_goes_to_a_log(tmp_path):
    file = tmp_path / "chatty.py"
    file.write_text("print('hello there')\nfrom harness_elements import walk\n")
    specs = plan(suite_of(tmp_path, repetitions=1), [f"{file}:walk"])
    with Store.open(tmp_path / "r") as store:
        run_all(specs, store)
    assert "hello there" in (tmp_path / "r" / LOG).read_text()
    with Store.open(tmp_path / "quiet") as store:
        run_all(specs_of(tmp_path, "walk"), store)
    assert not (tmp_path / "quiet" / LOG).exists()


def test_a_script_without_a_main_guard_works(tmp_path):
    script = tmp_path / "script.py"
    suite_of(tmp_path, repetitions=1)
    script.write_text(
        "from zobench.harness.plan import plan\n"
        "from zobench.harness.pool import run_all\n"
        "from zobench.harness.store import Store\n"
        "from zobench.harness.suite import load\n"
        f"specs = plan(load({str(tmp_path / 't.toml')!r}), [{element('walk')!r}])\n"
        f"with Store.open({str(tmp_path / 'r')!r}) as store:\n"
        "    print(run_all(specs, store))\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=dict(os.environ) | {"PYTHONPATH": str(root)},
        cwd=tmp_path,
        timeout=60,
    )
    assert done.stdout.strip() == "{'resumed': 0, 'budget': 1}", done.stderr


def test_a_worker_does_not_start_runs(tmp_path, monkeypatch):
    monkeypatch.setenv(IN_WORKER, "1")
    with Store.open(tmp_path / "r") as store, pytest.raises(BadInput, match="__main__"):
        run_all(specs_of(tmp_path, "walk"), store)


def test_an_error_in_the_callers_display_stops_everything_and_keeps_results(tmp_path):
    specs = specs_of(tmp_path, "walk", repetitions=8)

    def fail(event):
        if event.made == 3:
            raise RuntimeError("no terminal")

    with Store.open(tmp_path / "r") as store:
        with pytest.raises(RuntimeError, match="no terminal"):
            run_all(specs, store, on_event=fail)
        assert len(store.runs()) == 3
    time.sleep(0.1)
    mine = [p for p in Path("/proc").glob("[0-9]*/cmdline") if _is_worker_of(p, os.getpid())]
    assert not mine


def _is_worker_of(path: Path, parent: int) -> bool:
    try:
        words = path.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return "zobench.harness.worker" in words and str(parent) in words
