"""What a worker sends is not trusted, and what a run does to its process harms no other run."""

from __future__ import annotations

import os
import signal
import time
from itertools import count
from pathlib import Path

import pytest

from zobench.harness.plan import plan
from zobench.harness.pool import run_all
from zobench.harness.run import execute
from zobench.harness.store import Store
from zobench.harness.suite_file import load

HOSTILE = '''\
import os, signal, subprocess, sys, time
import numpy as np
from zobench.core.problem import VectorProblem
from zobench.registry import objectives

class NoText(Exception):
    def __str__(self): raise RuntimeError

class Mine(VectorProblem):
    facts = {}
    def describe(self): return self.facts

def sockets():
    """File descriptors of this process that are sockets."""
    found = []
    for fd in range(3, 64):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"): found.append(fd)
        except OSError: pass
    return found

def say(data):
    for fd in sockets(): os.write(fd, data)

def message(kind, key, content="{}"):
    return f'["{kind}", {os.getpid()}, "{key}", {content}]\\n'.encode()

def text(error): raise error

def depart(problem):
    code = "import os, time; os.setsid(); time.sleep(654)"
    subprocess.Popen([sys.executable, "-c", code])
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: time.sleep(654)
        os._exit(0)

DEEDS = {
    "bytes": lambda p: say(b"\\x00\\xff nonsense\\n"),
    "unfinished": lambda p: say(b'["F", 1, '),
    "deep": lambda p: say(b"[" * 100_000 + b"\\n"),
    "other-key": lambda p: say(message("F", "0" * 24)),
    "no-result": lambda p: say(b'{"a": 1}\\n[1, 2]\\n'),
    "surrogate": lambda p: text(ValueError("bad \\udcff\\x00")),
    "interrupt": lambda p: text(KeyboardInterrupt),
    "signal": lambda p: os.kill(os.getpid(), signal.SIGINT),
    "no-text": lambda p: text(NoText),
    "huge": lambda p: setattr(p, "samples", 10**400),
    "facts": lambda p: setattr(p, "facts", {"\\udcff": np.longdouble(1)}),
    "scored": lambda p: setattr(p, "facts", 7),
    "files": lambda p: os.closerange(3, 256),
    "recursion": lambda p: DEEDS["recursion"](p),
    "forks": lambda p: os.fork(),
    "daemon": depart,
    "exit": lambda p: os._exit(5),
    "exit-0": lambda p: os._exit(0),
    "exit-77": lambda p: os._exit(77),
    "exit-78": lambda p: os._exit(78),
    "group": lambda p: os.killpg(os.getpgrp(), signal.SIGKILL),
}

@objectives.register("hostile")
def hostile(deed: str = "", when: str = "run"):
    def f(x):
        if deed and when == "run" and not done:
            done.append(1)
            DEEDS[deed](problem)
        return (x**2).sum(axis=1)
    done = []
    problem = Mine(f, lambda rng: rng.normal(size=3))
    problem.warm_up = lambda: None
    if when == "build":
        DEEDS[deed](problem)
    return problem

@objectives.register("number")
def number():
    return 3


@objectives.register("of-class")
def of_class():
    return VectorProblem


@objectives.register("slow")
def slow():
    time.sleep(1e6)
'''

REASONS = {  # deed -> a part of the reason; "": the run is good
    "bytes": "it sent something that is not a message of a run",
    "unfinished": "it sent something that is not a message of a run",
    "deep": "it sent something that is not a message of a run",
    "other-key": "it sent a message of another run",
    "no-result": "it sent something that is not a message of a run",
    "surrogate": "ValueError: bad \\udcff (",
    "interrupt": "KeyboardInterrupt (",
    "signal": "KeyboardInterrupt (",
    "no-text": "NoText: its text cannot be read: RuntimeError (",
    "huge": "samples is a whole number of more than 64 bits",
    "facts": "a numpy.longdouble cannot be stored",
    "scored": "describe is a int, not a dict",
    "files": "it closed files that are not its own",
    "recursion": "RecursionError: ",
    "forks": "",
    "daemon": "",
    "exit": "its process ended with status 5",
    "exit-0": "its process ended with status 0",
    "exit-77": "its process ended with status 77",
    "exit-78": "its process ended with status 78",
    "group": "killed by signal 9 (SIGKILL)",
}


def specs_of(folder: Path, problems: str, **top):
    (folder / "hostile.py").write_text(HOSTILE)
    lines = {"budget": 30, "repetitions": 1, "targets": [1e-30], **top}
    text = 'name = "h"\nversion = "1"\n' + "".join(f"{k} = {v}\n" for k, v in lines.items())
    (folder / "h.toml").write_text(text + problems)
    return plan(load(folder / "h.toml"), ["random-search"])


def problem(id: str, settings: str, objective: str = "hostile") -> str:
    text = f'[[problem]]\nid = "{id}"\nobjective = "hostile.py:{objective}"\n'
    return f"{text}settings = {{{settings}}}\n"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """One command with every deed, and a good run after each: (runs by problem, wanted keys)."""
    folder = tmp_path_factory.mktemp("hostile")
    problems = ""
    for deed in REASONS:
        problems += problem(deed, f'deed = "{deed}"') + problem(f"after-{deed}", "")
    specs = specs_of(folder, problems)
    with Store.open(folder / "r") as store:
        run_all(specs, store, jobs=2)
        return store.runs(), {spec.key for spec in specs}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the deeds need Linux")
@pytest.mark.parametrize("deed", REASONS)
def test_a_hostile_run_is_one_row_with_its_reason(hostile, deed):
    run = hostile[0].set_index("problem").loc[deed]
    assert run.status == ("failed" if REASONS[deed] else "budget")
    assert REASONS[deed] in run.reason
    assert run.reason.isprintable()


def test_every_other_run_is_unharmed_and_every_wanted_run_stored_once(hostile):
    runs, wanted = hostile
    others = runs[runs.problem.str.startswith("after-")]
    assert len(others) == len(REASONS)
    assert set(others.status) == {"budget"}
    assert sorted(runs.run_key) == sorted(wanted)
    assert set(runs.attempt) == {1}


def _sleepers():
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"time.sleep(654)" in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux has subreapers")
def test_what_left_its_session_ends_with_its_run(hostile):
    deadline = time.monotonic() + 60
    while _sleepers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _sleepers()


def test_what_the_system_kills_for_lack_of_memory_is_told_so(tmp_path, monkeypatch):
    from zobench.harness import proc

    numbers = count()  # one kill more each time the system is asked
    monkeypatch.setattr(proc, "kernel_kills", lambda: next(numbers))
    specs = specs_of(tmp_path, problem("p", 'deed = "group"') + problem("after", ""))
    with Store.open(tmp_path / "r") as store:
        assert run_all(specs, store, jobs=1) == {"resumed": 0, "oom": 1, "budget": 1}
        reason = store.runs().set_index("problem").loc["p"].reason
    assert reason == "killed by the system for lack of memory"


def test_a_factory_that_hangs_is_ended_by_the_time_limit(tmp_path):
    specs = specs_of(tmp_path, problem("p", "", "slow"), time_limit=0.5)
    with Store.open(tmp_path / "r") as store:
        counts = run_all(specs, store)
        run = store.runs().iloc[0]
    assert counts == {"resumed": 0, "timeout": 1}
    assert run.reason.startswith("stopped after 0.5 s of building")


@pytest.mark.parametrize(
    ("objective", "made"),
    [("number", "a value of type int"), ("of-class", "the class VectorProblem")],
)
def test_a_factory_that_makes_no_problem_is_told_in_one_sentence(tmp_path, objective, made):
    (spec, *_) = specs_of(tmp_path, problem("p", "", objective))
    reason = execute(spec).reason
    assert f"{objective} made {made}, which is not a problem: return" in reason
    assert "Error" not in reason


def test_the_text_that_was_planned_is_the_text_that_runs(tmp_path):
    specs = specs_of(tmp_path, problem("p", ""), repetitions=3)
    edit = HOSTILE.replace("(x**2)", "(0 * x)")

    def change(event):
        (tmp_path / "hostile.py").write_text(edit)

    with Store.open(tmp_path / "r") as store:
        assert run_all(specs, store, on_event=change) == {"resumed": 0, "budget": 3}
        assert all(store.runs().final_score > 0)


def test_runs_that_are_not_stored_are_named(tmp_path, monkeypatch):
    from zobench.errors import Missing

    specs = specs_of(tmp_path, problem("p", ""), repetitions=2)
    with Store.open(tmp_path / "r") as store:
        monkeypatch.setattr(store, "add", lambda results: None)
        with pytest.raises(Missing, match=r"2 of 2 runs are not in .*: random-search on p, run"):
            run_all(specs, store)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_stop_keeps_what_is_finished(tmp_path, signum):
    from zobench.harness.stopping import Interrupted

    specs = specs_of(tmp_path, problem("p", ""), repetitions=9)
    left = [signum]  # a second signal would act at once

    def stop(event):
        if left:
            os.kill(os.getpid(), left.pop())

    with Store.open(tmp_path / "r") as store:
        with pytest.raises(Interrupted, match=r"stopped: \d of 9 runs") as caught:
            run_all(specs, store, 1, stop)
        assert caught.value.by == signum
        assert len(store.runs()) == int(str(caught.value).split()[1])
