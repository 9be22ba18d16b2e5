"""Imports point one way, and nothing heavy loads before it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "zobench"
# what a part may import of ours, itself included
ALLOWED = {
    "errors": set(),
    "spreadsheet": set(),
    "user_file": {"errors"},
    "registry": {"core", "errors", "user_file"},
    "core": {"core", "errors"},
    "estimators": {"estimators", "core", "registry", "errors"},
    "objectives": {"objectives", "core", "registry", "user_file", "errors"},
    "harness": {"harness", "core", "registry", "user_file", "spreadsheet", "errors"},
    "analysis": {"analysis", "errors"},
    "optim": {"optim", "core", "registry", "errors"},
    "report": {"report", "analysis", "spreadsheet", "errors"},
    "interchange": {"interchange", "harness", "spreadsheet", "errors"},
}
TOP = {"cli", "tune", "bench", "new", "api", "commands", "display", "watch", "__init__", "__main__"}
HEAVY = ("torch", "transformers", "numba", "scipy", "pandas", "nevergrad", "cma", "cocoex")


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("zobench."))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.name))
def test_imports_point_one_way(path):
    here = part(path)
    if here in TOP:
        return
    wrong = set(imported(path)) - ALLOWED[here] - {"__version__"}
    assert not wrong, f"{path} imports {wrong}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.name))
def test_modules_stay_short(path):
    assert len(path.read_text().splitlines()) <= 400


def test_loading_the_registries_imports_nothing_heavy():
    code = (
        "import sys, zobench.cli; from zobench.registry import estimators, objectives;"
        "estimators.load(); objectives.load();"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
