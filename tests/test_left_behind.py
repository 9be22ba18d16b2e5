"""What a user's file leaves behind when it is loaded: it is undone, or the run says what it was."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from importlib import import_module

import pytest
from harness_tools import element, suite_of

from zobench.errors import not_installed
from zobench.harness.examine import apart
from zobench.harness.plan import plan
from zobench.harness.pool import run_all
from zobench.harness.store import Store
from zobench.harness.suite_file import load

MINE = """
from zobench.core.directions import Noise

class Mine:
    def start(self, params, seed):
        self.t = 0
    def step(self, evaluate):
        self.t += 1
        evaluate([(0.1, Noise(self.t))])

def mine(n: int = 1):
    return Mine()
"""
UNDONE = {
    "a fork": "import os; os.fork()",
    "forks": "import os; os.fork() and os.fork()",
    "a fork that is slower": "import os, time; os.fork() or time.sleep(0.5)",
    "recursion": "import sys; sys.setrecursionlimit(80)",
    "recursion, lower": "import sys; sys.setrecursionlimit(40)",
}
NAMED = {
    "fork": (
        "import os; os.fork = None",
        "no run can be made: TypeError: 'NoneType' object is not",
    ),
    "signals": ("import signal; signal.siginterrupt = None", "TypeError: 'NoneType' object is not"),
}


def made(folder, text, repetitions=3):
    (folder / "mine.py").write_text(text + MINE)
    suite = suite_of(folder, repetitions=repetitions, budget=20, targets=[1e-99])
    with apart():
        specs = plan(suite, [f"{folder}/mine.py:mine:n={n}" for n in (1, 2)])
        with Store.open(folder / "r") as store:
            run_all(specs, store, jobs=2)
            return store.runs()


@pytest.mark.parametrize("text", UNDONE.values(), ids=UNDONE)
def test_it_is_undone(tmp_path, text):
    runs = made(tmp_path, text)
    assert runs["status"].tolist() == ["budget"] * 6
    assert runs["attempt"].tolist() == [1] * 6
    assert not (tmp_path / "r" / "workers.log").exists()


LOOKS = """
import decimal, locale, os, warnings
import numpy as np
from zobench.core.problem import VectorProblem

def state():
    import torch
    return [
        np.geterr()["over"], decimal.getcontext().prec, os.getcwd(),
        "error" in [f[0] for f in warnings.filters],
        sorted(os.environ), locale.setlocale(locale.LC_ALL), torch.get_default_dtype(),
        torch.get_default_device(), torch.are_deterministic_algorithms_enabled(),
        torch.is_grad_enabled(), torch.get_num_threads(), torch.get_float32_matmul_precision(),
        torch.backends.cudnn.benchmark,
    ]

class Looks(VectorProblem):
    def describe(self):
        return {"state": repr(state())}

def bowl():
    return Looks(lambda x: (x**2).sum(1), lambda rng: rng.random(3))
"""
SETS = {
    "numpy": "import numpy; numpy.seterr(over='raise')",
    "decimal": "import decimal; decimal.getcontext().prec = 3",
    "decimal, another": "import decimal; decimal.setcontext(decimal.Context(prec=3))",
    "folder": "import os; os.chdir('/')",
    "environ": "import os; os.environ['SPOILT'] = '1'",
    "environ, less": "import os; os.environ.pop('PATH')",
    "locale": "import locale; locale.setlocale(locale.LC_ALL, 'C')",
    "dtype": "import torch; torch.set_default_dtype(torch.float64)",
    "device": "import torch; torch.set_default_device('meta')",
    "deterministic": "import torch; torch.use_deterministic_algorithms(True, warn_only=True)",
    "gradients": "import torch; torch.set_grad_enabled(False)",
    "threads": "import torch; torch.set_num_threads(2)",
    "precision": "import torch; torch.set_float32_matmul_precision('medium')",
    "cudnn": "import torch; torch.backends.cudnn.benchmark = True",
    "warnings": "import warnings; warnings.simplefilter('error')",
}


def test_what_one_file_sets_is_not_so_for_the_other_of_a_run(tmp_path):
    (tmp_path / "ob.py").write_text(LOOKS)
    suite_of(tmp_path, repetitions=1, budget=20, targets=[1e-99])
    text = (tmp_path / "t.toml").read_text().replace(element("bowl"), "ob.py:bowl")
    (tmp_path / "t.toml").write_text(text)
    names = [f"{tmp_path}/a{number}.py:mine" for number in (0, 1)]
    for number, lines in enumerate(([], SETS.values())):  # loaded before the objective's file
        (tmp_path / f"a{number}.py").write_text("\n".join(lines) + MINE)
    with apart():
        specs = plan(load(tmp_path / "t.toml"), names)
        with Store.open(tmp_path / "r") as store:
            run_all(specs, store, jobs=2)
            runs = store.runs()
    assert set(runs["status"]) == {"budget"}
    assert "state" in runs["describe"][0]
    assert runs["describe"][0] == runs["describe"][1]


@cache
def printed(first, middle):
    """What a process prints of its state after some lines of code."""
    code = f"""
{first}
import os
os.environ["OMP_NUM_THREADS"] = "1"
from zobench.process_state import restored
{LOOKS}
{middle}
print(state())"""
    made = [sys.executable, "-c", code]
    return subprocess.run(made, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("first", ["", "import torch"])
def test_all_of_it_is_put_back(first):
    """Also where the code that changes it fails."""
    whole = "\n".join([*SETS.values(), "1 / 0"])
    changed = f"try:\n  with restored():\n    exec({whole!r})\nexcept ZeroDivisionError: pass\n"
    assert printed(first, changed) == printed("", "")
    assert "float32" in printed("", "")


@pytest.mark.parametrize(("text", "said"), NAMED.values(), ids=NAMED)
def test_what_cannot_be_undone_is_named(tmp_path, text, said):
    runs = made(tmp_path, text, repetitions=1)
    assert runs["status"].tolist() == ["failed"] * 2
    for reason in runs["reason"]:
        assert said in reason
        assert "no worker lived" not in reason


def test_a_module_that_zobench_does_not_have_is_not_a_package_to_install():
    with pytest.raises(ModuleNotFoundError) as error:
        import_module("zobench.core.no_such_module")
    assert not_installed(error.value) == "zobench has no module zobench.core.no_such_module"
