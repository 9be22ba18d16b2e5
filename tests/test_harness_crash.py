"""kill -9 and Ctrl-C at any moment: nothing finished is lost, nothing is made twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from harness_tools import comparable, suite_of

from zobench.harness.store import Store

DRIVER = Path(__file__).with_name("harness_driver.py")
RUNS = 50


def start(folder, results, jobs=2):
    """The driver of 50 runs of about 20 ms, as a process of its own."""
    arguments = [str(folder / "t.toml"), str(results), str(jobs), "walk", "walk:n=2"]
    return subprocess.Popen(
        [sys.executable, str(DRIVER), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=DRIVER.parents[1],
    )


def workers_of(pid):
    """Process ids of the workers that a process started, and of their forks."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "zobench.harness.worker" in words and str(pid) in words:
            found.append(int(path.parent.name))
    return found


def kill_at(folder, results, finished, pause):
    """Start, wait for `finished` runs and `pause` seconds more, kill -9; finished runs seen."""
    process = start(folder, results)
    seen = 0
    assert process.stdout is not None
    for line in process.stdout:
        seen += line.startswith("finished")
        if seen >= finished:
            break
    time.sleep(pause)
    process.kill()
    process.wait()
    seen += sum(line.startswith("finished") for line in process.stdout)
    process.stdout.close()
    limit = time.monotonic() + 60
    while workers_of(process.pid) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not workers_of(process.pid)
    return seen


SETTINGS = "pause = 1e-5, noisy = true"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The tables of an execution that was not disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    suite_of(folder, settings=SETTINGS, repetitions=RUNS // 2)
    process = start(folder, folder / "whole")
    out, _ = process.communicate(timeout=120)
    assert out.splitlines()[-1].startswith("counts {'resumed': 0, ")
    with Store.open(folder / "whole", write=False) as store:
        return comparable(store)


def check(folder, results, whole):
    """Resume, and compare with an execution that was not disturbed."""
    process = start(folder, results)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    with Store.open(results, write=False) as store:
        tables = comparable(store)
    assert [len(table) for table in tables] == [len(table) for table in whole]
    assert len(tables[0]) == RUNS
    assert all(one.equals(two) for one, two in zip(tables, whole))
    return out


def test_runs_killed_twice_and_resumed_equal_undisturbed_ones(tmp_path, whole):
    suite_of(tmp_path, settings=SETTINGS, repetitions=RUNS // 2)
    results = tmp_path / "r"
    first = kill_at(tmp_path, results, finished=7, pause=0.03)
    second = kill_at(tmp_path, results, finished=9, pause=0.0)
    out = check(tmp_path, results, whole)
    resumed = int(out.splitlines()[-1].split("'resumed': ")[1].split(",")[0])
    assert 10 <= resumed <= first + second  # at most the last instants were lost
    with Store.open(results, write=False) as store:
        assert (store.runs().attempt == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_kill_at_a_random_moment(tmp_path, whole, seed):
    rng = random.Random(seed)
    suite_of(tmp_path, settings=SETTINGS, repetitions=RUNS // 2)
    kill_at(tmp_path, tmp_path / "r", rng.randrange(RUNS), rng.random() * 0.1)
    check(tmp_path, tmp_path / "r", whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_kill_a_worker_at_a_random_moment(tmp_path, whole, seed):
    """A worker, a home or the fork that makes a run: the command goes on, and resuming mends it."""
    rng = random.Random(seed)
    suite_of(tmp_path, settings=SETTINGS, repetitions=RUNS // 2)
    process = start(tmp_path, tmp_path / "r")
    assert process.stdout is not None
    for _ in range(rng.randrange(RUNS)):
        process.stdout.readline()
    time.sleep(rng.random() * 0.1)
    with suppress(IndexError, ProcessLookupError):  # none is left
        os.kill(rng.choice(workers_of(process.pid)), signal.SIGKILL)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    check(tmp_path, tmp_path / "r", whole)


def test_ctrl_c_keeps_what_is_finished_and_says_so(tmp_path):
    suite_of(tmp_path, settings="pause = 2e-4", repetitions=RUNS // 2)
    process = start(tmp_path, tmp_path / "r")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("finished"):
            break
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    last = out.splitlines()[-1]
    assert process.returncode == 130
    made = int(last.split("stopped: ")[1].split()[0])
    assert last.endswith(
        f"{made} of 50 runs are finished and kept; the same command goes on from there"
    )
    assert 1 <= made < RUNS
    assert not workers_of(process.pid)
    with Store.open(tmp_path / "r", write=False) as store:
        assert len(store.runs()) == made
