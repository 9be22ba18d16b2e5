"""Imports point one way, and nothing heavy loads before it is used."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "zobench"
# What a part may import of ours, itself aside. Nothing is exempt but what names the public surface.
NUMBERS = {"core", "errors"}
RUNS = {"harness", "results", "running", "analysis", "errors"}
ALLOWED = {
    "errors": {"beside"},
    "spreadsheet": set(),
    "beside": set(),
    "process_state": set(),
    "user_file": {"beside", "errors", "process_state"},
    "registry": {"core", "errors", "user_file"},
    "core": {"errors"},
    "engine": NUMBERS,
    "estimators": NUMBERS | {"registry"},
    "objectives": NUMBERS | {"engine", "registry", "user_file"},
    "optim": NUMBERS | {"engine", "registry"},
    "harness": NUMBERS | {"registry", "user_file", "spreadsheet"},
    "analysis": {"errors"},
    "interchange": {"harness", "spreadsheet", "errors"},
    "results": {"harness", "analysis", "interchange", "registry", "errors"},
    "running": {"harness", "analysis", "results", "errors"},
    "testing": NUMBERS | {"engine", "harness", "objectives", "optim", "registry", "user_file"},
    "explain": NUMBERS | {"harness", "registry"},
    "tune": NUMBERS | {"harness", "analysis", "results", "registry"},
    "leaderboard": RUNS | {"interchange", "registry", "spreadsheet", "tune", "user_file"},
    "report": {"analysis", "harness", "results", "leaderboard", "spreadsheet", "errors"},
    "bench": NUMBERS | {"engine", "objectives", "harness", "registry"},
    "watch": {"harness", "objectives", "errors"},
    "new": {"harness", "registry", "errors"},
    "display": RUNS | {"report", "tune", "explain", "bench", "watch", "registry", "testing"},
    "api": RUNS | {"core", "display", "registry"},
    "commands": RUNS | {"display", "report", "leaderboard", "bench", "new"},
    "cli": {"commands", "harness", "errors"},
    "__main__": {"cli"},
    "moved": set(),
}
PUBLIC = "__init__"
HEAVY = ("torch", "transformers", "numba", "scipy", "pandas", "nevergrad", "cma", "cocoex")


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def only_for_types(tree: ast.Module):
    """The nodes under `if TYPE_CHECKING:`, which load nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from (part for statement in node.body for part in ast.walk(statement))


def imported(path: Path, types: bool = True):
    """The modules of ours that a file imports, at its top or inside; `types`: also for types."""
    tree = ast.parse(path.read_text())
    left_out = set() if types else set(only_for_types(tree))
    for node in ast.walk(tree):
        names = []
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in whole]
        yield from (name for name in names if name in MODULES and name != "zobench")


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """A circle of arrows, as the names on it; none: []."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@pytest.mark.parametrize("path", MODULES.values(), ids=MODULES)
def test_imports_point_one_way(path):
    here = part(path)
    if here == PUBLIC:
        return
    wrong = {name.split(".")[1] for name in imported(path)} - ALLOWED[here] - {here}
    assert not wrong, f"{path} imports {wrong}"


def test_every_part_has_its_place():
    assert {part(path) for path in MODULES.values()} == {*ALLOWED, PUBLIC}
    assert not circle(ALLOWED)


def test_no_files_import_each_other():
    arrows = {name: set(imported(path, types=False)) - {name} for name, path in MODULES.items()}
    assert not circle(arrows)


def test_loading_the_registries_imports_nothing_heavy():
    code = (
        "import sys, zobench.cli; from zobench.registry import estimators, objectives;"
        "estimators.load(); objectives.load();"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
