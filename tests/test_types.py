"""A user's file has types: a checker accepts right code in strict mode and finds what is wrong."""

import importlib.util
import json
import subprocess
import sys

import pytest

USER_FILE = '''
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import zobench
from zobench import directions, rules, samplers, schedules, schemes


@zobench.estimator("mine", paper="ours", space={"lr": (1e-5, 1.0, "log")}, sanity={"lr": 0.1})
def mine(lr: schedules.Value = 1e-2, eps: float = 1e-3, n: int = 1) -> zobench.Estimator:
    """Descent along random directions."""
    return zobench.ComposedEstimator(
        samplers.by_name("sphere", n), schemes.Central(eps, n), rules.Adam(lr)
    )


@dataclass(frozen=True)
class Sum(zobench.Direction):
    """The sum of two directions."""

    first: directions.Primitive
    second: directions.Primitive

    def expand(self, block: zobench.Block) -> Sequence[zobench.Term]:
        return [(1.0, self.first), (1.0, self.second)]


class Search:
    """Keep the better of two points."""

    def start(self, params: zobench.Params, seed: int) -> None:
        self.params, self.seed, self.t = params, seed, 0

    def step(self, evaluate: zobench.Evaluate) -> None:
        self.t += 1
        direction = zobench.Noise(zobench.fold(self.seed, self.t))
        here, there = evaluate([(0.0, direction), (0.1, direction)])
        if there < here:
            self.params.add(0.1, direction)


@zobench.objective("bowl")
def bowl(dim: int = 3) -> zobench.VectorProblem:
    """A sum of squares."""

    def f(x: np.ndarray) -> np.ndarray:
        losses: np.ndarray = np.square(x).sum(axis=1)
        return losses

    return zobench.VectorProblem(f, lambda rng: rng.normal(size=dim))


def loop() -> float:
    problem = zobench.problem("sphere", dim=10)
    estimator: zobench.Estimator = Search()
    estimator.start(problem.start(seed=1), seed=1)
    evaluate = zobench.Oracle(problem, budget=100, seed=1)
    try:
        while True:
            estimator.step(evaluate)
    except zobench.BudgetExhausted:
        return problem.score()[problem.score_name]


def table() -> list[str]:
    comparison = zobench.compare(["spsa", "mezo:lr=1e-2"], "smoke", repetitions=2)
    return [*comparison.results.names, *(str(column) for column in comparison.results.runs.columns)]
'''

WRONG = {
    'zobench.compare("spsa", budget="100")': "budget",
    "zobench.Oracle(3, budget=100, seed=1)": "Problem",
    "zobench.ComposedEstimator(samplers.gaussian, rules.SGD(0.1), rules.SGD(0.1))": "Scheme",
    "zobench.VectorParams([0.0])[0]": "__getitem__",
    "zobench.optimise": "optimise",
    "Search().step([1.0])": "evaluate",
}


def pyright(folder, text: str) -> list[str]:
    """The errors of pyright's strict mode in a user's file: "line: message"."""
    (folder / "mine.py").write_text(text)
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    words = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run([*words, "mine.py"], capture_output=True, text=True, cwd=folder)
    found = json.loads(done.stdout[done.stdout.index("{") :])["generalDiagnostics"]
    return [f"{d['range']['start']['line']}: {d['message']}" for d in found]


@pytest.mark.skipif(not importlib.util.find_spec("pyright"), reason="pyright is not installed")
def test_pyright_knows_the_types_of_a_users_file(tmp_path):
    first = USER_FILE.count("\n")
    errors = pyright(tmp_path, USER_FILE + "".join(f"print({code})\n" for code in WRONG))
    assert [e for e in errors if int(e.partition(":")[0]) < first] == []
    for line, (code, word) in enumerate(WRONG.items(), first):
        told = [e for e in errors if e.startswith(f"{line}: ")]
        assert any(word in e for e in told), f"{code}: {told}"


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="mypy is not installed")
def test_mypy_knows_the_types_of_a_users_file(tmp_path):
    (tmp_path / "mine.py").write_text(USER_FILE)
    words = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "mine.py"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
