"""Nothing loads before it is needed: modules are counted, since times depend on the machine."""

import json
import subprocess
import sys

import pytest

from zobench.harness.elements import warm_noise
from zobench.registry import Registry, estimators, objectives

HEAVY = {
    "torch", "transformers", "numba", "scipy", "pandas", "pyarrow", "nevergrad", "cma", "cocoex",
    "gymnasium", "jinja2", "psutil", "rich", "ssl",
}  # fmt: skip

FIRST_QUERY = """
import json, sys
import zobench.harness.home, zobench.harness.worker
from zobench.core.oracle import Oracle
from zobench.harness import plan, suite_file
from zobench.harness.run import execute

specs = plan.plan(suite_file.load("smoke"), ["mezo"])
spec = next(spec for spec in specs if spec.problem.objective == "sphere")

def first(oracle, probes):
    raise KeyboardInterrupt

Oracle.__call__ = first
try:
    execute(spec)
except KeyboardInterrupt:
    print(json.dumps(list(sys.modules)))
"""

FIRST_WORKER = """
import json, sys
from zobench.harness.child import Child

def first(child, *arguments):
    print(json.dumps(list(sys.modules)), flush=True)
    raise KeyboardInterrupt

Child.__init__ = first
from zobench.cli import main
main(sys.argv[1:])
"""


COMMAND = (
    "import json, sys; from zobench.cli import status_of; sys.stdout = open('/dev/null', 'w');"
    "status_of(sys.argv[1:]); sys.__stdout__.write(json.dumps(list(sys.modules)))"
)


def loaded(code: str, *arguments: str, cwd=None) -> set[str]:
    """The modules in the list that the code prints."""
    words = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd)
    assert done.stdout, done.stderr
    return set(json.loads(done.stdout.splitlines()[0]))


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "zobench"}


def test_the_package_alone_loads_nothing():
    modules = loaded("import json, sys, zobench; print(json.dumps(list(sys.modules)))")
    assert ours(modules) == {"zobench", "zobench.moved"}
    assert not modules & {"numpy", "dataclasses", "inspect", "pathlib"}


@pytest.mark.parametrize("arguments", [("--help",), (), ("--version",)])
def test_help_loads_no_command(arguments):
    modules = loaded(COMMAND, *arguments)
    assert not modules & (HEAVY | {"numpy", "zobench.registry"})
    assert not {name for name in modules if name.startswith("zobench.commands.")}


@pytest.mark.parametrize("kind", [(), ("estimators",), ("objectives",), ("suites",)])
def test_a_list_of_names_loads_no_element(kind):
    modules = loaded(COMMAND, "list", *kind)
    assert not modules & (HEAVY | {"numpy"})
    elements = ("zobench.estimators.", "zobench.objectives.", "zobench.core.")
    assert {n for n in modules if n.startswith(elements)} == {"zobench.core.schedules"}


@pytest.mark.parametrize("registry", [estimators, objectives], ids=lambda r: r.kind)
def test_what_is_listed_is_what_is_registered(registry):
    fresh = Registry(registry.kind, registry.package)  # which has loaded nothing
    assert fresh.summaries() == {name: entry.summary for name, entry in registry.load().items()}
    assert not fresh._entries


@pytest.mark.parametrize("command", ["run", "compare"])
def test_runs_begin_before_the_packages_that_show_them_load(command, tmp_path):
    words = (command, "mezo", "spsa", "--suite", "smoke", "--problem", "sphere*")
    modules = loaded(FIRST_WORKER, *words, cwd=tmp_path)
    assert modules & HEAVY == set()


def test_a_run_of_a_function_loads_machine_code_without_numba_and_its_own_elements():
    warm_noise()  # makes the machine code if there is none yet
    modules = loaded(FIRST_QUERY)
    assert "llvmlite.binding" in modules
    assert not modules & HEAVY
    assert not {n for n in ours(modules) if n.startswith("zobench.core.noise.cpu")}
    elements = {n for n in ours(modules) if n.startswith("zobench.estimators.")}
    assert elements == {"zobench.estimators.mezo"}


def test_an_element_loads_without_the_others():
    code = """
import json, sys
from zobench.registry import estimators, objectives
assert estimators["zo-adam"].name == "zo-adam" and objectives["lqr"].name == "lqr"
print(json.dumps(list(sys.modules)))
"""
    files = {n for n in ours(loaded(code)) if n.startswith("zobench.estimators.")}
    assert files == {"zobench.estimators.zo_adam"}
