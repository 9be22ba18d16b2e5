"""Runs in worker processes: every way to misbehave, isolation, determinism, order, limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from harness_tools import comparable, element, specs_of, suite_of

from zobench.errors import BadInput
from zobench.harness import examine
from zobench.harness.handle import IN_WORKER
from zobench.harness.plan import plan
from zobench.harness.pool import LOG, run_all
from zobench.harness.store import Store

STILL = """
from zobench.core.directions import Noise

class Still:
    def start(self, params, seed): ...
    def step(self, evaluate): evaluate([(1.0, Noise(1))])

def still(): return Still()
"""


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
    endless = ("spin", "stubborn")  # the others end by themselves, on a busy machine not at once
    problems = [p if p.id in endless else replace(p, time_limit=60.0) for p in problems]
    specs = plan(replace(suite, problems=tuple(problems)), [element("walk")])
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
    run = misbehaved[0].loc[kind]
    assert run.status == status
    assert reason in run.reason if reason else run.reason == ""
    if kind in ("raise", "nan", "spin", "hoard"):  # what was known is kept
        assert run.queries >= 100
        assert run.dimension == 3
        assert run.best_score < 10


def test_faults_are_counted_and_the_settled_not_made_again(misbehaved):
    runs, counts, done = misbehaved
    expected = {"failed": 3, "diverged": 1, "timeout": 2, "oom": 2, "budget": 1}
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
        time_limit=3.0,
    )
    events = []
    with Store.open(tmp_path / "r") as store:
        run_all([spec], store, on_event=events.append)
        run = store.runs().iloc[0]
        hits, traces = store.hits(), store.traces()
    assert (run.status, run.queries, run.dimension) == ("timeout", 10, 3)
    assert len(hits) > 0
    assert traces.queries.max() >= 8
    first, *reports, last = events
    assert (first.kind, {e.kind for e in reports}, last.kind) == (
        "started",
        {"progress"},
        "finished",
    )
    assert reports[-1].queries == 10
    assert reports[-1].best == pytest.approx(run.best_score)


def test_jobs_and_order_change_no_result(tmp_path):
    specs = specs_of(tmp_path, "walk:n=3", "walk", settings="noisy = true", repetitions=6)
    stored = []
    for number, (order, jobs) in enumerate([(specs, 1), (specs[::-1], 2)]):
        with Store.open(tmp_path / str(number)) as store:
            run_all(order, store, jobs)
            stored.append(comparable(store))
    assert [len(table) > 0 for table in stored[0]] == [True] * 3
    assert len(stored[0][0]) == 12
    assert all(one.equals(two) for one, two in zip(*stored))


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    """Good runs, asked for twice: specs, events, counts of both commands, tables, the folder."""
    folder = tmp_path_factory.mktemp("ordinary")
    specs = specs_of(folder, "walk", "walk:n=1", repetitions=3)
    events = []
    with Store.open(folder / "r") as store:
        counts = [run_all(specs, store, on_event=events.append) for _ in range(2)]
        return specs, events, counts, store.runs(), folder / "r"


def test_events_tell_the_story_of_each_run(ordinary):
    specs, events, _, runs, _ = ordinary
    for key in {spec.key for spec in specs}:
        mine = [e for e in events if e.spec.key == key and e.kind != "progress"]
        assert [e.kind for e in mine] == ["started", "finished"]
        assert mine[-1].result.status == "budget"
        assert mine[-1].queries == 200
        assert mine[-1].best == min(runs[runs.run_key == key].best_score)
    assert [e.n_made for e in events if e.kind == "finished"] == [1, 2, 3]
    assert {e.total for e in events} == {3}


def test_two_names_of_equal_settings_are_one_run_and_none_is_made_twice(ordinary):
    _, _, counts, runs, _ = ordinary
    assert counts == [{"resumed": 0, "budget": 3}, {"resumed": 3}]
    assert len(runs) == 6
    assert runs.run_key.nunique() == 3
    assert set(runs.attempt) == {1}


def test_runs_that_share_a_process_have_the_peak_of_a_traced_repetition(ordinary):
    runs = ordinary[3]
    assert runs.memory_ratio.isna().all()
    assert set(runs.memory_kind) == {"traced"}
    assert runs.peak_memory.between(100, 1e6).all()


def test_peak_memory_does_not_depend_on_what_ran_before(tmp_path):
    """The hoarder's 128 MiB and the packages that one method needs are not those of another."""
    peaks = {}
    others = [element("hoarder:mib=128"), "cma-es"]
    suite = suite_of(tmp_path, "roomy", repetitions=1, budget=20)
    for name, first in (("alone", []), ("after", others)):
        specs = plan(suite, [*first, element("walk")])
        with Store.open(tmp_path / name) as store:
            run_all(specs, store, jobs=1)
            runs = store.runs().set_index("estimator")
        assert set(runs.status) == {"budget"}, runs.reason.tolist()
        peaks[name] = runs.peak_memory[element("walk")].mean() / 2**20
    assert 64 < peaks["alone"] < 64 + 15
    assert abs(peaks["after"] - peaks["alone"]) < 8


def test_an_isolated_run_has_a_memory_of_its_own(tmp_path):
    """An evaluation takes 64 MiB, the hoarder holds 128 more; scoring takes 100 that none sees."""
    specs = specs_of(
        tmp_path, "walk", "hoarder:mib=128", objective="roomy", repetitions=1, budget=4
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
    assert all(json.loads(scores)["left"] == 1.0 for scores in runs.scores)
    assert all(runs.seconds < 0.6)  # nor is the time of the last scores the estimator's


def test_runs_with_and_without_a_process_of_their_own_can_mix(tmp_path):
    problems = [
        suite_of(tmp_path, objective, repetitions=1, budget=4).problems[0]
        for objective in ("bowl", "roomy", "bowl", "roomy")
    ]
    problems = tuple(replace(p, id=str(index)) for index, p in enumerate(problems))
    suite = replace(suite_of(tmp_path), problems=problems)
    with Store.open(tmp_path / "r") as store:
        counts = run_all(plan(suite, [element("walk")]), store)
        runs = store.runs()
    assert counts == {"resumed": 0, "budget": 4}
    assert list(runs.memory_ratio.isna()) == [True, False, True, False]
    assert set(runs.attempt) == {1}


def test_files_that_print_and_files_that_kill_the_worker(tmp_path, ordinary):
    fragile, chatty = tmp_path / "fragile.py", tmp_path / "chatty.py"
    fragile.write_text(f"import os\nif {IN_WORKER!r} in os.environ: os._exit(9)\n{STILL}")
    chatty.write_text(f"print('hello there')\n{STILL}")
    suite = suite_of(tmp_path, repetitions=1)
    with Store.open(tmp_path / "r") as store:
        counts = run_all(plan(suite, [f"{fragile}:still", f"{chatty}:still"]), store)
        reason = store.runs().reason[0]
    assert counts == {"resumed": 0, "failed": 1, "budget": 1}
    assert reason == f"no worker lived to begin it (its process ended with status 9); see {LOG}"
    assert "hello there" in (tmp_path / "r" / LOG).read_text()
    assert not (ordinary[4] / LOG).exists()


def test_a_script_without_a_main_guard_works(tmp_path):
    script = tmp_path / "script.py"
    suite_of(tmp_path, repetitions=1)
    script.write_text(
        "from zobench.harness.plan import plan\n"
        "from zobench.harness.pool import run_all\n"
        "from zobench.harness.store import Store\n"
        "from zobench.harness.suite_file import load\n"
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
        timeout=120,
    )
    assert done.stdout.strip() == "{'resumed': 0, 'budget': 1}", done.stderr


def test_a_worker_does_not_start_runs(tmp_path, monkeypatch):
    monkeypatch.setenv(IN_WORKER, "1")
    with Store.open(tmp_path / "r") as store, pytest.raises(BadInput, match="__main__"):
        run_all(specs_of(tmp_path, "walk"), store)


def test_an_error_in_the_callers_display_stops_everything_and_keeps_results(tmp_path):
    examine.stop()  # the process that looked into the files of earlier tests
    specs = specs_of(tmp_path, "walk", repetitions=8)

    def fail(event):
        if event.n_made == 3:
            raise RuntimeError("no terminal")

    with Store.open(tmp_path / "r") as store:
        with pytest.raises(RuntimeError, match="no terminal"):
            run_all(specs, store, on_event=fail)
        assert len(store.runs()) == 3
    mine, end = [Path()], time.monotonic() + 60
    while mine and time.monotonic() < end:  # they end by themselves, on a busy machine not at once
        time.sleep(0.1)
        mine = [p for p in Path("/proc").glob("[0-9]*/cmdline") if _is_worker_of(p, os.getpid())]
    assert not mine


def _is_worker_of(path: Path, parent: int) -> bool:
    try:
        words = path.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return "zobench.harness.worker" in words and str(parent) in words


@pytest.mark.skipif(sys.platform != "linux", reason="pages of files are a matter of Linux")
def test_a_fork_has_the_file_pages_of_its_parent():
    code = (
        "import os, sys, time, pandas\n"
        "from zobench.harness import pages, proc\n"
        "def held(): return proc.memory_of('RssFile')\n"
        "before, ranges = held(), pages.file_pages()\n"
        "if os.fork() == 0:\n"
        "    alone = held(); pages.map_pages(ranges); print(before, alone, held()); sys.exit()\n"
        "os.wait()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, alone, after = map(int, run.stdout.split())
    assert alone < 0.5 * before
    assert abs(after - before) < 0.05 * before
