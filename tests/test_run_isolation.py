"""A run depends on its key alone: not on other files, on other runs, on their order, on --jobs."""

from __future__ import annotations

import decimal
import gc
import locale
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import require
from harness_tools import comparable

import zobench
from zobench.harness import elements
from zobench.harness.needs import needs_of
from zobench.harness.plan import plan
from zobench.harness.pool import run_all
from zobench.harness.run import execute
from zobench.harness.store import Store
from zobench.harness.suite_file import load, suite_files
from zobench.registry import estimators

ROOT = Path(zobench.__file__).parents[1]

SPOILER = """\
import decimal, gc, locale, os, random, resource, signal, socket, sys, time, warnings
import numpy as np
from zobench.core.problem import VectorProblem
from zobench.registry import objectives

def spoil():
    if "torch" in sys.modules:
        import torch
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(7)
    np.seterr(all="ignore", over="raise")
    np.random.seed(1)
    random.seed(1)
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(5000)
    decimal.getcontext().prec = 3
    os.umask(0o011)
    os.environ["SPOILT"] = os.environ["OMP_NUM_THREADS"] = "3"
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    sys.path.insert(0, "/spoilt")
    sys.modules["colorsys"] = None
    gc.set_threshold(7)
    gc.disable()
    socket.setdefaulttimeout(9)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    os.chdir("/")
    np.array = np.float64 = None

objectives.register("early")(lambda: VectorProblem(f, lambda rng: rng.normal(size=3)))

@objectives.register("late", in_worker=("torch",))
def late():
    def g(x):
        spoil()
        return (x**2).sum(axis=1)
    return VectorProblem(g, lambda rng: rng.normal(size=3))

def f(x):
    return (x**2).sum(axis=1)
"""

WITNESS = """\
import decimal, gc, json, os, random, resource, signal, socket, sys, warnings
import numpy as np
from zobench.core.problem import VectorProblem
from zobench.registry import objectives

def state():
    umask = os.umask(0)
    os.umask(umask)
    state = {
        "errors": np.geterr(), "numpy": np.random.random(),
        "array": np.array is None,
        "random": random.random(), "filters": repr(warnings.filters), "umask": umask,
        "recursion": sys.getrecursionlimit(), "decimal": decimal.getcontext().prec,
        "environ": sorted(k for k in os.environ), "threads": os.environ["OMP_NUM_THREADS"],
        "signal": repr(signal.getsignal(signal.SIGUSR1)), "path": sys.path,
        "modules": "colorsys" in sys.modules, "collector": [gc.isenabled(), *gc.get_threshold()],
        "timeout": socket.getdefaulttimeout(), "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "folder": os.getcwd(),
    }
    if "torch" in sys.modules:
        import torch
        state |= {"dtype": str(torch.get_default_dtype()), "draw": float(torch.rand(())),
                  "exact": torch.are_deterministic_algorithms_enabled(),
                  "torch": torch.get_num_threads()}
    return json.dumps(state, sort_keys=True)

class Witness(VectorProblem):
    def describe(self):
        return {"state": state()}

@objectives.register("witness")
def witness():
    return Witness(lambda x: (x**2).sum(axis=1), lambda rng: rng.normal(size=3))

@objectives.register("with_torch", in_worker=("torch",))
def with_torch():
    return witness()
"""

SUITE = """\
name = "leak"
version = "1"
budget = 20
repetitions = 1
targets = [1e-30]
"""


def problem(name, objective):
    return f'[[problem]]\nid = "{name}"\nobjective = "{objective}"\n'


def command(folder, *words):
    """The command line, as a process of its own: (exit status, stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, "-m", "zobench", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def stored(folder):
    """Runs by (problem, estimator, repetition), without what may differ."""
    with Store.open(folder, write=False) as store:
        runs, _, traces = comparable(store)
    traces = {str(key): part.to_csv(index=False) for key, part in traces.groupby("run_key")}
    columns = ["problem", "estimator", "repetition"]
    rows = [traces.get(key, "") for key in runs["run_key"]]  # none of a run that was never built
    runs = runs.assign(trace=rows).set_index(columns).sort_index()
    return runs[["status", "final_score", "describe", "trace"]]


def test_no_state_of_a_process_gets_from_one_users_file_into_another(tmp_path):
    """The spoiler changes its process when it is loaded, and once more in a run."""
    (tmp_path / "spoiler.py").write_text(SPOILER + "\nspoil()\n")
    (tmp_path / "at_run.py").write_text(SPOILER)
    (tmp_path / "witness.py").write_text(WITNESS)
    mine = [problem(n, f"witness.py:{n}") for n in ("witness", "with_torch")]
    mine.append(problem("sphere", "sphere"))
    theirs = {"early": "spoiler.py:early", "late": "at_run.py:late"}
    before = [problem(name, objective) for name, objective in theirs.items()]
    (tmp_path / "alone.toml").write_text(SUITE + "".join(mine))
    (tmp_path / "beside.toml").write_text(SUITE + "".join(before + mine))
    words = ("run", "random-search", "-s")
    assert command(tmp_path, *words, "alone.toml", "-j", "2", "-o", "a")[0] == 0
    status, out, err = command(tmp_path, *words, "beside.toml", "-j", "1", "-o", "b")
    assert status in (0, 1), out + err
    whole, runs = stored(tmp_path / "a"), stored(tmp_path / "b")
    assert set(runs.index.get_level_values("problem")) >= {"early", "late"}
    for index in whole.index:
        assert runs.loc[index].to_dict() == whole.loc[index].to_dict()


def state():
    """What a process has that results may depend on; not its generators, which runs seed."""
    umask = os.umask(0)
    os.umask(umask)
    held = {
        "errors": np.geterr(), "filters": list(warnings.filters), "umask": umask,
        "recursion": sys.getrecursionlimit(), "decimal": repr(decimal.getcontext()),
        "environ": dict(os.environ), "folder": os.getcwd(), "path": list(sys.path),
        "signals": {s: signal.getsignal(s) for s in signal.valid_signals() - {signal.SIGALRM}},
        "collector": [gc.isenabled(), *gc.get_threshold()],
        "locale": locale.setlocale(locale.LC_ALL), "timeout": socket.getdefaulttimeout(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "patched": {name: id(thing) for name, thing in vars(np).items() if callable(thing)},
        "hook": sys.excepthook,
    }  # fmt: skip
    torch = sys.modules.get("torch")
    if torch is not None:
        held |= {
            "dtype": torch.get_default_dtype(), "device": torch.get_default_device(),
            "exact": torch.are_deterministic_algorithms_enabled(), "grad": torch.is_grad_enabled(),
            "threads": torch.get_num_threads(), "matmul": torch.get_float32_matmul_precision(),
        }  # fmt: skip
    return held


SHIPPED = {  # a problem of every objective that a suite which ships has
    problem.objective: (name, problem.id)
    for name in suite_files()
    for problem in reversed(load(name).problems)
}


FEWER = {"rl": {"cap": 100, "score_episodes": 2, "test_episodes": 2}}  # steps of the simulator


def made_here(suite, problem, estimator):
    (spec,) = plan(load(suite).pick([problem]), [estimator], budget=50, repetitions=1)
    fewer = spec.problem.settings | FEWER.get(spec.problem.objective, {})
    spec = replace(spec, problem=replace(spec.problem, settings=fewer))
    if needs_of(spec).alone:
        pytest.skip("each run has a process of its own")
    elements.warm_noise()
    for entry in elements.entries(spec):
        require(entry)
        elements.load_packages(entry)  # as a process does before it makes runs
    execute(spec)  # what is loaded late is loaded
    before = state()
    result = execute(spec)
    assert result.status != "failed", result.reason
    if result.status == "skipped":
        pytest.skip(result.reason)
    return before


@pytest.mark.parametrize("objective", SHIPPED)
def test_a_run_on_a_registered_objective_leaves_its_process_as_it_was(objective):
    assert made_here(*SHIPPED[objective], "random-search") == state()


@pytest.mark.parametrize("estimator", estimators.load())
def test_a_run_of_a_registered_estimator_leaves_its_process_as_it_was(estimator):
    assert made_here("smoke", "sphere-d10", estimator) == state()


def test_registered_elements_that_share_a_process_leave_no_state(tmp_path):
    names = ["random-search", "cma-es", "mezo", "ars"]
    suite = load("smoke").pick(["sphere*", "bbob-f8-*"])
    specs = plan(suite, names, budget=80, repetitions=2)
    rows = []
    for number, jobs in enumerate((1, 2)):
        random.Random(number).shuffle(specs)
        with Store.open(tmp_path / str(number)) as store:
            run_all(specs, store, jobs)
            rows.append(comparable(store))
    assert all(one.equals(two) for one, two in zip(*rows))


@pytest.mark.slow
def test_smoke_and_users_files_give_equal_runs_in_any_order_and_with_any_jobs(tmp_path):
    """A file that changes its process when it runs, and one that tells what it finds, beside all
    of smoke."""
    (tmp_path / "at_run.py").write_text(SPOILER)
    (tmp_path / "witness.py").write_text(WITNESS)
    files = {"early": "at_run", "late": "at_run", "witness": "witness", "with_torch": "witness"}
    more = "".join(
        problem(name, f"{file}.py:{name}") + "budget = 40\ntargets = [1e-30]\n"
        for name, file in files.items()
    )
    (tmp_path / "all.toml").write_text(suite_files()["smoke"].read_text() + "\n" + more)
    names = ["random-search", "mezo"]
    specs = plan(load(tmp_path / "all.toml"), names, budget=40, repetitions=1)
    assert {spec.problem.id for spec in specs} > {p.id for p in load("smoke").problems}
    rows = []
    for number, jobs in enumerate((1, 2, 3)):
        random.Random(number).shuffle(specs)
        with Store.open(tmp_path / str(number)) as store:
            run_all(specs, store, jobs)
            rows.append(comparable(store))
    assert "failed" not in set(rows[0][0].status)
    for other in rows[1:]:
        assert all(one.equals(two) for one, two in zip(rows[0], other))


def test_threads_are_the_suites_for_any_number_of_jobs(tmp_path):
    (tmp_path / "witness.py").write_text(WITNESS)
    text = SUITE + problem("p", "witness.py:witness")
    keys = []
    for number, (more, jobs, threads) in enumerate([("", 1, 1), ("", 2, 1), ("threads = 2", 2, 2)]):
        (tmp_path / "t.toml").write_text(text + more)
        specs = plan(load(tmp_path / "t.toml"), ["random-search"])
        with Store.open(tmp_path / str(number)) as store:
            run_all(specs, store, jobs)
            runs, places = store.runs(), store.environments().values()
        assert f'\\"threads\\": \\"{threads}\\"' in runs["describe"][0]
        assert [place["threads"] for place in places] == [threads]
        keys.append(set(runs.run_key))
    assert keys[0] == keys[1]
    assert not keys[0] & keys[2]


def test_one_thread_is_what_keys_of_older_results_say():
    (spec,) = plan(load("smoke").pick(["sphere*"]), ["mezo"], repetitions=1)
    assert spec.problem.threads == 1
    two = replace(spec, problem=replace(spec.problem, threads=2))
    assert two.key != spec.key == "d98ceb659db549f82e94f0e6"
