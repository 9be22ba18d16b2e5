"""The public surface: its names exist, and what users read imports nothing else."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zobench

ROOT = Path(__file__).parents[1]
CALLED_BY_OTHERS = {"zobench", "zobench.optim", "zobench.testing"}


def blocks(text):
    """The Python blocks of a Markdown text."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def sources():
    from zobench.new import templates

    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for number, code in enumerate(blocks(path.read_text())):
            yield pytest.param(code, id=f"{path.relative_to(ROOT)}-{number}")
    for path in sorted((ROOT / "docs" / "gallery").glob("*.py")):
        yield pytest.param(path.read_text(), id=f"gallery-{path.stem}")
    for name, value in vars(templates).items():
        if name.isupper() and "import" in value.template and "toml" not in value.template:
            values = dict.fromkeys(value.get_identifiers(), "mine")
            yield pytest.param(value.substitute(values), id=f"template-{name}")


def imported(code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("name", zobench.__all__)
def test_every_public_name_is_there_and_explained(name):
    value = getattr(zobench, name)
    assert name in dir(zobench)
    if isinstance(value, type) or type(value).__name__ in ("function", "method", "module"):
        assert (value.__doc__ or "").strip(), f"zobench.{name} has no docstring"


MODULES = [name for name in zobench.__all__ if inspect.ismodule(getattr(zobench, name))]


@pytest.mark.parametrize("name", MODULES)
def test_a_public_module_states_its_names(name):
    """Its classes and functions are in `__all__`, or private to zobench for a reason."""
    module = getattr(zobench, name)
    assert list(dict.fromkeys(module.__all__)) == module.__all__
    for inner in module.__all__:
        assert hasattr(module, inner), f"zobench.{name}.{inner}"
    own = {
        inner
        for inner, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
        and (inspect.isclass(value) or inspect.isfunction(value))
        and not inner.startswith("_")
    }
    assert own - set(module.__all__) == PRIVATE.get(name, set())


PRIVATE = {
    "schedules": {"over", "spans_the_run", "start_of"},  # how the harness sets a schedule
    "registry": {"Registry", "check_settings"},  # the type of both registries; for the command line
    "testing": {"contract_of"},  # the checks of a kind, for the command
}


@pytest.mark.parametrize("name", ["samplers", "schemes"])
def test_old_names_in_public_modules_work_and_warn(name):
    module = getattr(zobench, name)
    with pytest.warns(DeprecationWarning, match=f"zobench.{name}.named is now by_name"):
        assert module.named is module.by_name
    with pytest.raises(AttributeError, match="names"):
        module.names  # noqa: B018


def test_type_checkers_see_the_names_that_users_see():
    tree = ast.parse((ROOT / "zobench" / "__init__.py").read_text())
    typed = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert typed == set(zobench.__all__) - {"__version__"}
    assert (ROOT / "zobench" / "py.typed").exists()


def test_registered_elements_do_not_hide_public_names():
    code = (
        "import zobench, zobench.registry as r; r.estimators.load(); r.objectives.load();"
        "print([type(getattr(zobench, n)).__name__ for n in ('estimator', 'objective')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['method', 'method']"


def test_an_unknown_name_is_told():
    with pytest.raises(AttributeError, match="no attribute 'optimise'"):
        zobench.optimise  # noqa: B018


@pytest.mark.parametrize("code", list(sources()))
def test_what_users_read_imports_public_names_only(code):
    for module, name in imported(code):
        if module and module.partition(".")[0] == "zobench":
            assert module in CALLED_BY_OTHERS, f"{module} is private"
            assert module != "zobench" or name is None or name in zobench.__all__, name


def test_a_loop_of_ones_own():
    problem = zobench.problem("sphere", dim=10)
    estimator = zobench.make("spsa", lr=0.05)
    estimator.start(problem.start(seed=1), seed=1)
    before = problem.score()["gap"]
    evaluate = zobench.Oracle(problem, budget=1000, seed=1)
    for _ in range(500):
        estimator.step(evaluate)
    assert evaluate.queries == 1000
    assert problem.score()["gap"] < before / 100
    with pytest.raises(zobench.BudgetExhausted):
        estimator.step(evaluate)


def test_a_problem_of_a_suite():
    assert zobench.problem("smoke:sphere-d10").start(seed=0).size == 10
    assert zobench.problem("smoke:sphere-d10", dim=12).start(seed=0).size == 12
    with pytest.raises(zobench.BadInput, match="sphere-d10"):
        zobench.problem("smoke:sphere-d1")
    with pytest.raises(zobench.BadInput, match="sphere"):
        zobench.problem("spere")


def test_runs_without_a_verdict(tmp_path):
    results = zobench.run(
        ["spsa"], "smoke", problems=["sphere*"], repetitions=2, out=tmp_path, progress=False
    )
    assert list(results.runs["repetition"]) == [0, 1]
    assert (tmp_path / "runs.csv").exists()
    with pytest.raises(zobench.BadInput, match="a list of names"):
        zobench.run("spsa", "smoke")


def test_old_names_of_modules_still_load():
    """Each is the very module of its new name, with a warning that says so."""
    code = (
        "import importlib, warnings; from zobench.moved import MOVED\n"
        "for old, new in MOVED.items():\n"
        "    with warnings.catch_warnings(record=True) as told:\n"
        "        warnings.simplefilter('always')\n"
        "        module = importlib.import_module('zobench.' + old)\n"
        "    assert module is importlib.import_module('zobench.' + new), old\n"
        "    assert module.__name__ == module.__spec__.name == 'zobench.' + new\n"
        "    assert [w.category for w in told if 'has moved' in str(w.message)], old\n"
        "from zobench.core.estimator import ComposedEstimator, ZerothOrder\n"
        "assert ZerothOrder is ComposedEstimator\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
