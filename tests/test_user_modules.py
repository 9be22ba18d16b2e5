"""The modules of a user's file, and files that settings name: part of a run's key, and frozen."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from harness_tools import element, suite_of

from zobench.cli import status_of
from zobench.errors import BadInput, not_installed
from zobench.harness.examine import apart
from zobench.harness.plan import plan
from zobench.harness.pool import run_all
from zobench.harness.store import Store
from zobench.harness.suite_file import load
from zobench.user_file import load as load_file

MINE = """
import os, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from zobench.core.directions import Noise
{top}

class Mine:
    def start(self, params, seed):
        self.t = 0
        {start}
    def step(self, evaluate):
        self.t += 1
        evaluate([({size}, Noise(self.t))])

def mine(n: int = 1):
    return Mine()
"""
WAYS = {
    "import": {"top": "import helper", "size": "helper.SIZE"},
    "from": {"top": "from helper import SIZE", "size": "SIZE"},
    "inside": {"top": "", "start": "import helper; self.size = helper.SIZE", "size": "self.size"},
    "by name": {
        "top": "import importlib; helper = importlib.import_module('helper')",
        "size": "helper.SIZE",
    },
    "through another": {"top": "import between", "size": "between.SIZE"},
    "of a package": {"top": "from parts.deep import SIZE", "size": "SIZE"},
    "by path": {
        "top": "import importlib.util as u\n"
        "spec = u.spec_from_file_location('other', os.path.join(HERE, 'helper.py'))\n"
        "helper = u.module_from_spec(spec); spec.loader.exec_module(helper)",
        "size": "helper.SIZE",
    },
}


def written(folder, size, way="import"):
    (folder / "mine.py").write_text(MINE.format(**({"start": ""} | WAYS[way])))
    (folder / "helper.py").write_text(f"SIZE = {size}\n")
    (folder / "between.py").write_text("from helper import SIZE\n")
    (folder / "parts").mkdir(exist_ok=True)
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "parts" / "deep.py").write_text("from .leaf import SIZE\n")
    (folder / "parts" / "leaf.py").write_text(f"SIZE = {size}\n")


def planned(folder):
    suite = suite_of(folder, repetitions=1, budget=20, targets=[1e-99])
    return plan(suite, [f"{folder}/mine.py:mine"])


def made(folder, specs, name):
    with Store.open(folder / name) as store:
        run_all(specs, store, jobs=1)
        return store.runs().iloc[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_module_beside_the_file_is_part_of_the_key_and_frozen(tmp_path, way):
    written(tmp_path, 0.1, way)
    with apart():
        (first,) = planned(tmp_path)
        plain = made(tmp_path, [first], "a")
        written(tmp_path, 0.9, way)
        frozen = made(tmp_path, [first], "b")
    with apart():
        (second,) = planned(tmp_path)
        assert second.key != first.key
        other = made(tmp_path, [second], "c")
        written(tmp_path, 0.1, way)
    with apart():
        assert planned(tmp_path)[0].key == first.key
    assert (plain.status, other.status) == ("budget", "budget"), (plain.reason, other.reason)
    assert plain.best_score != other.best_score
    if way == "by path":  # what no import finds cannot be frozen; it is told
        assert "helper.py changed after the run was planned; start again" in frozen.reason
    else:
        assert frozen.best_score == plain.best_score


LOADING = "import {name}\ndef mine(n: int = 1):\n    return 1\n"
BUILDING = "def mine(n: int = 1):\n    import {name}\n    return 1\n"
ABOVE = "write import os, sys; sys.path.insert(0, os.path.dirname(__file__))"


@pytest.mark.parametrize("code", [LOADING, BUILDING])
@pytest.mark.parametrize(
    ("name", "beside", "found"),
    [
        ("helper", "helper.py", "helper.py"),
        ("helper", "helper/__init__.py", "helper"),
        ("helper.deep", "helper/deep.py", "helper"),  # a package without __init__.py
        ("helper", "helper/data.txt", ""),
        ("mine", "mine.txt", ""),  # the file has the name of the package that it imports
    ],
)
def test_a_module_beside_the_file_is_not_to_be_installed(tmp_path, code, name, beside, found):
    """A package of that name would be a stranger's."""
    (tmp_path / beside).parent.mkdir(exist_ok=True)
    (tmp_path / beside).write_text("SIZE = 1\n")
    file = tmp_path / "mine.py"
    file.write_text(code.format(name=name))
    with pytest.raises((BadInput, ModuleNotFoundError)) as error:
        load_file(file, "it")[0].mine()
    end = error.value
    text = not_installed(end) if isinstance(end, ModuleNotFoundError) else str(end)
    told = f"{found} lies beside mine.py, in a folder that is not on sys.path: above the import, "
    expected = told + ABOVE if found else f"needs the package '{name}': pip install {name}"
    assert text.endswith(expected)
    if found:  # what is said mends it
        file.write_text(f"{ABOVE.removeprefix('write ')}\n{file.read_text()}")
        (tmp_path / "run.py").write_text(
            f"import zobench.user_file as u; from pathlib import Path\n"
            f"assert u.load(Path({str(file)!r}), 'it')[0].mine() == 1"
        )
        command = [sys.executable, "-P", str(tmp_path / "run.py")]
        assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("code", [LOADING, BUILDING])
def test_a_run_of_a_file_names_the_module_beside_it(tmp_path, code, capfd):
    (tmp_path / "helper.py").write_text("")
    (tmp_path / "mine.py").write_text(code.format(name="helper"))
    words = [
        "run",
        f"{tmp_path}/mine.py:mine",
        "-s",
        "quick",
        "-p",
        "bbob-rosenbrock-d10",
        "-r",
        "1",
    ]
    assert status_of([*words, "-b", "5", "-j", "1", "-o", str(tmp_path / "out")]) in (1, 2)
    said = "".join(capfd.readouterr())
    assert "helper.py lies beside mine.py, in a folder that is not on sys.path" in said
    assert "pip install" not in said


def test_a_module_that_no_pip_installs():
    for code, told in (
        ("import json.none", "json has no module json.none"),
        ("import none_such.none", "needs the package 'none_such': pip install none_such"),
    ):
        with pytest.raises(ModuleNotFoundError) as error:
            exec(code, {})
        assert not_installed(error.value) == told
    error = ModuleNotFoundError("No module named 'tkinter'", name="tkinter")
    assert not_installed(error) == "this Python lacks tkinter, a module of its standard library"


def test_a_module_beside_another_one_of_a_package(tmp_path, monkeypatch):
    folder = tmp_path / "parts_of_mine"
    folder.mkdir()
    for name, text in {"__init__": "", "deep": "import leaf_of_mine", "leaf_of_mine": ""}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError) as error:
        importlib.import_module("parts_of_mine.deep")
    assert not_installed(error.value) == (
        "leaf_of_mine.py lies beside deep.py, in the package parts_of_mine: if it is meant, write "
        "from parts_of_mine import leaf_of_mine; else install 'leaf_of_mine'"
    )


def test_what_else_lies_in_the_folder_is_none_of_it(tmp_path):
    written(tmp_path, 0.1)
    with apart():
        before = planned(tmp_path)[0].key
    (tmp_path / "stranger.py").write_text("x = 1")
    (tmp_path / "numpy.txt").write_text("1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    written(elsewhere, 0.1)
    suite = suite_of(tmp_path, repetitions=1, budget=20, targets=[1e-99])
    with apart():
        assert planned(tmp_path)[0].key == before
        (moved,) = plan(suite, [f"{elsewhere}/mine.py:mine"])
    assert moved.key == before


def test_a_file_that_a_setting_names_is_part_of_the_key_and_frozen(tmp_path):
    (tmp_path / "mine.py").write_text("""
from zobench.core.problem import VectorProblem
from zobench import user_file
from pathlib import Path
def bowl(function: str = ""):
    path, _, name = function.rpartition(":")
    f = getattr(user_file.load(Path(path), "f")[0], name)
    return VectorProblem(f, lambda rng: rng.normal(size=3))
""")
    judge = tmp_path / "judge.py"
    suite_of(tmp_path, repetitions=1, budget=20, targets=[1e-99])
    text = (tmp_path / "t.toml").read_text().replace(element("bowl"), "./mine.py:bowl")
    text = text.replace("settings = {  }", f'settings = {{ function = "{judge}:f" }}')
    (tmp_path / "t.toml").write_text(text)

    def keys():
        return plan(load(tmp_path / "t.toml"), ["random-search"])

    judge.write_text("from factor import C\ndef f(x): return C * (x**2).sum(axis=1)\n")
    (tmp_path / "factor.py").write_text("C = 1.0")
    with apart(), pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        (first,) = keys()
        (tmp_path / "factor.py").write_text("C = 3.0")
        judge.write_text("from factor import C\ndef f(x): return 2 * C * (x**2).sum(axis=1)\n")
        one = made(tmp_path, [first], "a")
    with apart(), pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        (second,) = keys()
        two = made(tmp_path, [second], "b")
    assert second.key != first.key
    assert (one.status, two.status) == ("budget", "budget"), (one.reason, two.reason)
    assert two.best_score > 3 * one.best_score


def two_files(tmp_path, top, module):
    """A suite with an objective in o/ob.py, and the name of an estimator in e/est.py."""
    for folder, size in (("e", 1.0), ("o", 1000.0)):
        place = tmp_path / folder / module
        place.parent.mkdir(exist_ok=True, parents=True)
        place.write_text(f"SIZE = {size}\n")
    code = MINE.format(top=top, start="", size="helper.SIZE")
    (tmp_path / "e" / "est.py").write_text(code)
    (tmp_path / "o" / "ob.py").write_text(
        code + "from zobench.core.problem import VectorProblem\n"
        "def bowl():\n"
        "    return VectorProblem(lambda x: helper.SIZE * (x**2).sum(1), lambda rng: rng.random(3))"
    )
    suite_of(tmp_path, repetitions=1, budget=20, targets=[1e-99])
    text = (tmp_path / "t.toml").read_text().replace(element("bowl"), "o/ob.py:bowl")
    (tmp_path / "t.toml").write_text(text)
    return load(tmp_path / "t.toml"), f"{tmp_path}/e/est.py:mine"


@pytest.mark.parametrize(
    ("top", "module", "name"),
    [
        ("import helper", "helper.py", "helper"),
        ("import helper", "helper/__init__.py", "helper"),
        ("import parts.helper as helper", "parts/helper.py", "parts.helper"),
    ],
)
def test_files_of_a_run_do_not_share_a_module_of_one_name(tmp_path, monkeypatch, top, module, name):
    suite, estimator = two_files(tmp_path, top, module)
    monkeypatch.chdir(tmp_path)
    with apart(), pytest.raises(BadInput) as error:
        plan(suite, [estimator])
    assert str(error.value) == (
        f"e/est.py and o/ob.py each import a module named {name}, from different folders: "
        "rename one, or put both files into one folder"
    )


def test_files_of_one_folder_share_their_modules(tmp_path):
    two_files(tmp_path, "import helper", "helper.py")
    (tmp_path / "e" / "ob.py").write_bytes((tmp_path / "o" / "ob.py").read_bytes())
    text = (tmp_path / "t.toml").read_text().replace("o/ob.py", "e/ob.py")
    (tmp_path / "t.toml").write_text(text)
    with apart():
        (spec,) = plan(load(tmp_path / "t.toml"), [f"{tmp_path}/e/est.py:mine"])
        assert made(tmp_path, [spec], "a").status == "budget"
