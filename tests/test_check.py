"""zobench check and zobench.testing: what is broken is named, by the check that is about it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from zobench import testing
from zobench.cli import status_of
from zobench.errors import BadInput
from zobench.testing.elements import subject_of

ESTIMATOR = '''"""An estimator of a user's own."""
import itertools
from dataclasses import dataclass

import numpy as np
import zobench
from zobench import BudgetExhausted, Dense, Direction, Noise, Recipe, Unsuitable, estimator, fold


class Mine:
    def __init__(self, lr, eps):
        self.lr, self.eps = lr, eps

    def start(self, params, seed):
        self.params, self.seed, self.t = params, seed, 0

    def step(self, evaluate):
        self.t += 1
        z = Noise(fold(self.seed, self.t))
        plus, minus = evaluate([(self.eps, z), (-self.eps, z)])
        slope = (plus - minus) / (2 * self.eps)
        self.params.add(-self.lr * slope, z)


@estimator("mine", paper="ours", space={"lr": (1e-5, 1.0, "log")}, sanity={"lr": 0.02})
def mine(lr: float = 1e-3, eps: float = 1e-3) -> Mine:
    """A two-point step.

        x <- x - lr (f(x + eps z) - f(x - eps z)) / (2 eps) z,    z ~ N(0, I)

    Queries per step: 2. Memory: the weights.
    """
    return Mine(lr, eps)
'''
SEED = "Noise(fold(self.seed, self.t))"
ASK = "        plus, minus = evaluate([(self.eps, z), (-self.eps, z)])\n"
WAVE = '''

class Wave:
    """Neither a Direction nor frozen."""

    def __init__(self, seed):
        self.seed = seed

    def expand(self, block):
        return ((1.0, Noise(self.seed)),)


class Mine:'''
SLOPPY = """

@dataclass
class Wave(Direction):
    seed: int

    def expand(self, block):
        return ((1.0, Noise(self.seed)),)


class Mine:"""
REUSED = """        rng = np.random.default_rng(fold(self.seed, self.t))
        self.z = getattr(self, "z", np.zeros(self.params.size))
        self.z[:] = rng.standard_normal(self.params.size)
        z = Dense(self.z)
"""
WALKING = """        self.params.add(self.eps, z)
        (plus,) = evaluate([(0.0, z)])
        self.params.add(-2 * self.eps, z)
        (minus,) = evaluate([(0.0, z)])
        self.params.add(self.eps, z)
"""
CATCHING = """        try:
            plus, minus = evaluate([(self.eps, z), (-self.eps, z)])
        except BudgetExhausted:
            return
"""
SKEW = (
    "w = Noise(fold(self.seed, 0, self.t))\n"
    "        self.params.add(-self.lr * slope, Recipe(((1.0, z), (0.1, w))))"
)
MOVE = "self.params.add(-self.lr * slope, z)"
# what is written instead of what -> the checks that fail, and what the sentences say
BREACHES = {
    "numpy's generator": (
        SEED,
        "Noise(int(np.random.randint(2**31)))",
        "generators",
        "draws from numpy's global generator: take random numbers from the seed given to start",
    ),
    "unseeded": (
        SEED,
        "Noise(int(np.random.default_rng().integers(2**31)))",
        "repeats",
        "moves to other points when it runs again with the same seed",
    ),
    "one seed for all": (SEED, "Noise(self.t)", "repeats", "ignores its seed"),
    "no class of its own": ("    def step", "    def steps", "steps", "has no start and step"),
    "too large": (
        "self.params, self.seed, self.t = params, seed, 0",
        "self.params, self.seed, self.t = params, seed, 0\n"
        "        if params.size > 20:\n            raise Unsuitable('at most 20')",
        "steps",
        "such as max_dim=20",
    ),
    "an error": (
        "slope = (plus",
        "slope = 1 / 0 * (plus",
        "steps",
        r"raises ZeroDivisionError: division by zero \(mine.py line 21\)",
    ),
    "no memory": (" Memory: the weights.", "", "docstring", "write 'Memory: the weights.'"),
    "no formula": ("x <- x - lr", "lr", "docstring", "states no update formula"),
    "no paper": ('paper="ours", ', "", "facts", "names no paper"),
    "a strange span": ('{"lr": (1e-5', '{"rate": (1e-5', "facts", "has no setting 'rate'"),
    "other queries": ("step: 2.", "step: 1.", "queries", "makes 2 queries in a step"),
    "no formula of queries": ("step: 2.", "step: few.", "queries", "not a formula"),
    "no end": (ASK, CATCHING, "budget", "catches what evaluate raises"),
    "no settings": (
        'sanity={"lr": 0.02}',
        'sanity={"lr": 1e-7}',
        "solves",
        "state settings that solve it",
    ),
    "walking": (ASK, WALKING, "restores", "when a loss raises: ask at probes"),
    "skew": (MOVE, SKEW, "span", "moves along directions that it did not probe"),
    "no Direction": (
        "\n\nclass Mine:",
        WAVE,
        "directions",
        "a Wave, which is not a zobench.Direction",
    ),
    "not frozen": ("\n\nclass Mine:", SLOPPY, "directions", "@dataclass.frozen=True. above"),
    "reused": (f"        z = {SEED}\n", REUSED, "directions memory", "changes a Dense after"),
    "only rows": (
        MOVE,
        f"x = self.params\n        if x.ops is np:\n            {MOVE}\n        else:\n"
        f"            {MOVE.replace('slope', 'slope * 1.1')}",
        "rows",
        "moves to other points where the weights are torch tensors",
    ),
    "order and more": (
        "    def start",
        "    ranks = True\n\n    def start",
        "ranks",
        "states ranks = True",
    ),
    "cannot be saved": (
        "self.t = params, seed, 0",
        "self.t = params, seed, 0\n        self.next = iter([1])",
        "saved",
        "has a state that is not saved: next is a list_iterator",
    ),
    "not recorded": (
        MOVE,
        "[self.params.update(b, -self.lr * slope * self.params.dense(z, b))"
        " for b in self.params.blocks]",
        "",
        "",
    ),
    "keeps points": (
        MOVE,
        f"{MOVE}\n        self.best = self.params.flat()",
        "memory",
        "keeps 1.0 arrays",
    ),
    "rounds": (
        MOVE,
        f"if self.params.ops is np or self.params.blocks[0].tensor.element_size() > 2:\n"
        f"            {MOVE}\n        else:\n            for b in self.params.blocks:\n"
        "                b.tensor.data.add_(self.params.dense(z, b).view_as(b.tensor)"
        ", alpha=-self.lr * float(slope))",
        "rounding recorded",
        "times as far as those of 32 bits",
    ),
}


def written(folder, text, name="mine.py"):
    (folder / name).write_text(text)
    return f"{folder / name}:mine"


def replaced(text, old, new):
    assert old in text
    return text.replace(old, new, 1)


def wave(text):
    return text.replace(SEED, "Wave(fold(self.seed, self.t))") if "class Wave" in text else text


def test_a_good_estimator_passes_all(tmp_path):
    assert testing.check_estimator(written(tmp_path, ESTIMATOR)) == []


@pytest.mark.parametrize("kind", BREACHES)
def test_a_breach_of_an_estimator_is_named(tmp_path, kind):
    old, new, names, said = BREACHES[kind]
    failures = testing.check_estimator(written(tmp_path, wave(replaced(ESTIMATOR, old, new))))
    assert {f.check for f in failures} == set(names.split()), list(map(str, failures))
    assert not names or any(re.search(said, f.reason) for f in failures), failures
    for failure in failures:
        assert str(failure).startswith("mine.py:mine ")
        assert "\n" not in str(failure)


SMALL = replaced(
    replaced(ESTIMATOR, *BREACHES["too large"][:2]), 'paper="ours"', 'paper="ours", max_dim=20'
)


def test_sizes_come_from_the_entry(tmp_path):
    element = written(tmp_path, SMALL)
    assert testing.check_estimator(element) == []
    with pytest.raises(testing.NotApplicable, match="takes 20 coordinates"):
        next(c for c in testing.checks(element) if c.name == "memory")()


def test_a_run_on_a_larger_point_is_skipped(tmp_path, monkeypatch):
    import zobench

    element = written(tmp_path, replaced(SMALL, "raise Unsuitable('at most 20')", "pass"))
    results = zobench.run(
        [element], "smoke", problems=["sphere-d10"], repetitions=1, out=tmp_path / "r",
        progress=False,
    )  # fmt: skip
    assert list(results.runs["status"]) == ["budget"] or list(results.runs["status"]) == ["target"]
    element = written(tmp_path, SMALL.replace("max_dim=20", "max_dim=9"))
    results = zobench.run(
        [element], "smoke", problems=["sphere-d10"], repetitions=1, out=tmp_path / "s",
        progress=False,
    )  # fmt: skip
    assert list(results.runs["status"]) == ["skipped"]
    assert "at most 9 coordinates" in results.runs["reason"][0]


ROWS = '''"""An objective of a user's own."""
import numpy as np
from zobench import VectorProblem, objective


@objective("mine")
def mine(dim: int = 6) -> VectorProblem:
    """The squared distance from 1."""

    def f(x):
        return ((x - 1.0) ** 2).sum(axis=1)

    def start(rng):
        return rng.standard_normal(dim)

    return VectorProblem(f, start)
'''
IN_PLACE = '''"""An objective of a user's own, of tensors."""
import torch
from zobench import InPlaceProblem, TensorParams, objective


class Mine(InPlaceProblem):
    def start(self, seed):
        draw = torch.Generator().manual_seed(seed)
        self.x = torch.randn(3, 2, generator=draw)
        self.params = TensorParams([("x", self.x)])
        self.reset_meters()
        return self.params

    def loss(self, seed):
        self.samples += 1
        return float(((self.x - 1.0) ** 2).sum())

    def score(self):
        return {"loss": float(((self.x - 1.0) ** 2).sum())}

    def gradient(self, seed):
        return self.loss(seed), [2.0 * (self.x - 1.0).reshape(-1)]


@objective("mine")
def mine(dim: int = 6) -> Mine:
    """The squared distance from 1."""
    return Mine()
'''
F = "return ((x - 1.0) ** 2).sum(axis=1)"
OBJECTIVE_BREACHES = {
    "not finite": (ROWS, F, "return np.sqrt(x - 9.0).sum(axis=1)", "starts", "not finite"),
    "no problem": (
        ROWS,
        "return VectorProblem(f, start)",
        "return f",
        "starts",
        "makes a function",
    ),
    "no docstring": (ROWS, '    """The squared distance from 1."""\n', "", "docstring", "no docs"),
    "start unseeded": (
        ROWS,
        "rng.standard",
        "np.random.default_rng().standard",
        "seed",
        "starts elsewhere",
    ),
    "start of numpy": (
        ROWS,
        "rng.standard",
        "np.random.standard",
        "generators",
        "draws from numpy's",
    ),
    "hidden noise": (
        ROWS,
        "    def f(x):\n",
        "    own = np.random.default_rng(0)\n\n    def f(x):\n"
        "        x = x + 0.1 * own.standard_normal(x.shape)\n",
        "draws",
        "two losses for one|gives",
    ),
    "company": (
        ROWS,
        F,
        "return ((x - x.mean(axis=0)) ** 2).sum(axis=1) + x[:, 0] ** 2",
        "alone",
        "in the company of other points",
    ),
    "remembers rows": (
        ROWS,
        f"    def f(x):\n        {F}",
        "    first = []\n\n    def f(x):\n        first.append(x)\n"
        f"        {F} + 0.0 * first[0].sum()",
        "overwriting",
        "remembers the rows",
    ),
    "no minimum": (
        ROWS,
        "VectorProblem(f, start)",
        "VectorProblem(f, start, minimum=90.0)",
        "minimum",
        "below",
    ),
    "a wrong gradient": (
        IN_PLACE,
        "[2.0 * (self",
        "[3.0 * (self",
        "gradient",
        "differs from central differences",
    ),
    "moves": (
        IN_PLACE,
        "        self.samples += 1",
        "        self.samples += 1\n        self.x += 0.01",
        "restores",
        "moves the point in losses",
    ),
    "no meter": (IN_PLACE, "        self.samples += 1\n", "", "meters", "counts 0 samples"),
    "not stochastic": (
        IN_PLACE,
        "    def start",
        "    stochastic = True\n\n    def start",
        "draws",
        "do not depend on the seed",
    ),
    "stochastic": (
        IN_PLACE,
        "return float(((self.x - 1.0) ** 2).sum())",
        "return float(((self.x - 1.0) ** 2).sum() * (1 + seed % 7))",
        "draws",
        "set stochastic = True",
    ),
    "upside down": (
        IN_PLACE,
        'return {"loss": float(',
        'return {"loss": -float(',
        "agrees",
        "lower is better",
    ),
    "paid scores": (
        IN_PLACE,
        "        return {",
        "        self.samples += 1\n        return {",
        "score",
        "counts its score",
    ),
    "no JSON": (
        IN_PLACE,
        "    def score",
        "    def describe(self):\n        return {'x': self.x}\n\n    def score",
        "description",
        "JSON cannot hold",
    ),
}


@pytest.mark.parametrize("text", [ROWS, IN_PLACE], ids=["rows", "in place"])
def test_a_good_objective_passes_all(tmp_path, text):
    assert testing.check_objective(written(tmp_path, text)) == []


@pytest.mark.parametrize("kind", OBJECTIVE_BREACHES)
def test_a_breach_of_an_objective_is_named(tmp_path, kind):
    text, old, new, name, said = OBJECTIVE_BREACHES[kind]
    with np_quiet():
        failures = testing.check_objective(written(tmp_path, replaced(text, old, new)))
    assert [f.check for f in failures] == [name], list(map(str, failures))
    assert re.search(said, failures[0].reason), failures[0].reason


def np_quiet():
    import numpy as np

    return np.errstate(all="ignore")


ENVIRONMENT = '''"""An environment of a user's own."""
import gymnasium
import numpy as np

SHARED = [0.0]


class mine(gymnasium.Env):
    """A cart on a line, to be brought to rest."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    count = 0.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-1.0, 1.0, 2)
        return self.state.astype(np.float32), {}

    def step(self, action):
        place, speed = self.state
        speed += 0.2 * float(action[0])
        self.state = np.array([place + 0.2 * speed, speed])
        reward = -float(self.state @ self.state)
        return self.state.astype(np.float32), reward, bool(abs(place) > 9), False, {}
'''
DRAW = "self.np_random.uniform(-1.0, 1.0, 2)"
ENVIRONMENT_BREACHES = {
    "no spaces": (
        "    action_space = ",
        "    action_spice = ",
        "makes",
        "without action_space|not a",
    ),
    "strange actions": (
        "gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)",
        "gymnasium.spaces.MultiBinary(2)",
        "spaces",
        "give a Box or a Discrete",
    ),
    "no seed": ("*, seed=None, options=None", "", "reset", "without a seed"),
    "only the observation": (
        "np.float32), {}\n\n",
        "np.float32)\n\n",
        "reset",
        "return .observation",
    ),
    "another shape": ("(2,), np", "(3,), np", "reset", "of shape .2,. and float32"),
    "four values": ("bool(abs(place) > 9), False, {}", "False, {}", "step", "a tuple of 4"),
    "a reward of arrays": (
        "-float(self.state @ self.state)",
        "-self.state",
        "step",
        "the reward an",
    ),
    "an endless reward": ("-float(self.state @ self.state)", "np.inf", "step", "a finite number"),
    "numpy's generator": (DRAW, "np.random.uniform(-1.0, 1.0, 2)", "generators", "self.np_random"),
    "unseeded": (
        DRAW,
        "np.random.default_rng().uniform(-1.0, 1.0, 2)",
        "repeats",
        "another episode",
    ),
    "leftovers": (
        "        self.state = self.np",
        "        self.count += 1.0\n        self.state = self.count + self.np",
        "leftovers",
        "set all of its state anew",
    ),
    "shared": (
        "        place, speed = self.state\n",
        "        SHARED[0] += 1.0\n        place, speed = self.state\n        place += SHARED[0]\n",
        "leftovers repeats",
        "another episode|shares",
    ),
    "a changed action": (
        "        reward =",
        "        action *= 0.5\n        reward =",
        "actions",
        "with a copy",
    ),
    "no docstring": (
        '    """A cart on a line, to be brought to rest."""\n',
        "",
        "docstring",
        "no docstring",
    ),
}


def test_a_good_environment_passes_all(tmp_path):
    element = written(tmp_path, ENVIRONMENT)
    assert testing.check_environment(element) == []
    assert {c.subject.kind for c in testing.checks(element)} == {"environment"}


@pytest.mark.parametrize("kind", ENVIRONMENT_BREACHES)
@pytest.mark.filterwarnings("ignore")
def test_a_breach_of_an_environment_is_named(tmp_path, kind):
    old, new, names, said = ENVIRONMENT_BREACHES[kind]
    failures = testing.check_environment(written(tmp_path, replaced(ENVIRONMENT, old, new)))
    assert len(failures) == 1, list(map(str, failures))
    assert failures[0].check in names.split()
    assert re.search(said, failures[0].reason), failures[0].reason


JUDGE = '''"""A judge of a user's own."""
import random

import numpy as np


def mine(texts):
    """Scores of bad and good."""
    return [[float(text.count("a")), float(text.count("o"))] for text in texts]
'''
SCORES = 'return [[float(text.count("a")), float(text.count("o"))] for text in texts]'
JUDGE_BREACHES = {
    "one column": (SCORES, "return [[1.0] for text in texts]", "answers", "of shape .12, 1."),
    "words": (SCORES, "return [['a', 'b'] for text in texts]", "answers", "not rows of numbers"),
    "unknown texts": (
        SCORES,
        "return [[{}[text]] for text in texts]",
        "answers",
        "answers any text",
    ),
    "not finite": (SCORES, "return [[0.0, -np.inf] for text in texts]", "finite", "a floor"),
    "sampled": (
        SCORES,
        "return np.random.default_rng().random((len(texts), 2))",
        "repeats",
        "temperature 0",
    ),
    "Python's generator": (
        SCORES,
        "return [[random.random(), 1.0] for text in texts]",
        "generators order",
        "Python's",
    ),
    "by order": (SCORES, "return [[float(k), 1.0] for k, _ in enumerate(texts)]", "order", "order"),
    "spoils": (SCORES, f"texts.append('') or texts.pop(0)\n    {SCORES}", "texts order", "copy"),
}


def test_a_good_judge_passes_all(tmp_path):
    assert testing.check_judge(written(tmp_path, JUDGE)) == []


@pytest.mark.parametrize("kind", JUDGE_BREACHES)
def test_a_breach_of_a_judge_is_named(tmp_path, kind):
    old, new, names, said = JUDGE_BREACHES[kind]
    failures = testing.check_judge(written(tmp_path, replaced(JUDGE, old, new)))
    assert failures
    assert {f.check for f in failures} <= set(names.split()), list(map(str, failures))
    assert any(re.search(said, f.reason) for f in failures), list(map(str, failures))


SUITE = """
name = "mine"
version = "1"
description = "Spheres."
budget = 100
repetitions = 3

[[problem]]
id = "s"
objective = "sphere"
settings = { dim = 4 }
targets = [0.1]
"""
SUITE_BREACHES = {
    "no version": ('version = "1"\n', "", "reads", "lacks 'version'"),
    "no description": ('description = "Spheres."\n', "", "facts", "no description"),
    "one run": ("repetitions = 3", "repetitions = 1", "facts", "shows no spread"),
    "no such problem": ("dim = 4", "dim = -4", "builds", "dim is a number"),
    "easy": ("[0.1]", "[1000.0]", "targets", "all of its targets .1000 the hardest. are reached"),
    "beyond": ("[0.1]", "[-1.0]", "targets", "the optimum has 0"),
}


def test_a_good_suite_passes_all(tmp_path):
    (tmp_path / "mine.toml").write_text(SUITE)
    assert testing.check_suite(str(tmp_path / "mine.toml")) == []


@pytest.mark.parametrize("kind", SUITE_BREACHES)
def test_a_breach_of_a_suite_is_named(tmp_path, kind):
    old, new, name, said = SUITE_BREACHES[kind]
    (tmp_path / "mine.toml").write_text(replaced(SUITE, old, new))
    failures = testing.check_suite(str(tmp_path / "mine.toml"))
    assert [f.check for f in failures] == [name], list(map(str, failures))
    assert re.search(said, failures[0].reason), failures[0].reason


# names and kinds


@pytest.mark.parametrize(
    ("text", "kind"),
    [(ESTIMATOR, "estimator"), (ROWS, "objective"), (ENVIRONMENT, "environment"), (JUDGE, "judge")],
)
def test_the_kind_is_found_out(tmp_path, text, kind):
    plain = re.sub(r"^@(estimator|objective)\(.*\)\n", "", text, flags=re.MULTILINE)
    for version in (text, plain):
        assert testing.checks(written(tmp_path, version))[0].subject.kind == kind


def test_what_is_no_element_is_told(tmp_path):
    element = written(tmp_path, "X = 1\ndef mine(a, b): pass\ndef odd(): return 3\n")
    for name, said in (("mine", "takes a, b without"), ("odd", "makes a int"), ("X", "has no 'X'")):
        with pytest.raises(BadInput, match=said):
            testing.checks(element.replace(":mine", f":{name}"))
    with pytest.raises(BadInput, match="did you mean 'mezo'"):
        testing.checks("mezzo")
    with pytest.raises(BadInput, match="kind of element"):
        testing.checks("mezo", "method")  # pyright: ignore


def test_a_file_may_take_a_registered_name(tmp_path):
    """And be changed: the file is a newer version of it."""
    from zobench.registry import estimators

    for lr in ("1e-3", "1e-2"):
        text = ESTIMATOR.replace('"mine"', '"mezo"').replace(
            "lr: float = 1e-3", f"lr: float = {lr}"
        )
        path = written(tmp_path, text).replace(":mine", ":mezo")
        assert testing.checks(path)[0].subject.kind == "estimator"
        assert estimators[path].defaults["lr"] == float(lr)
    assert estimators["mezo"].defaults["lr"] == 1e-6
    assert not testing.checks(path)[1].failure()


def test_pytest_shows_what_is_skipped_and_what_fails(tmp_path):
    written(tmp_path, ESTIMATOR.replace('paper="ours", ', ""))
    (tmp_path / "test_mine.py").write_text(
        "import pytest\nimport zobench.testing\n\n\n"
        '@pytest.mark.parametrize("check", zobench.testing.checks("mine.py:mine"), ids=str)\n'
        "def test_mine(check):\n    if check.name in ('facts', 'docstring', 'ranks'):\n"
        "        check()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "test_mine.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert "1 failed, 17 passed, 1 skipped" in done.stdout, done.stdout
    assert "mine.py:mine names no paper" in done.stdout
    assert "does not state ranks = True" in done.stdout


# the command


@pytest.fixture
def zobench(tmp_path, monkeypatch, capfd):
    """Run a command in this process, in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfd.readouterr()
        status = status_of(list(arguments))
        return SimpleNamespace(returncode=status, **capfd.readouterr()._asdict())

    return run


def test_the_command_shows_a_line_per_check(zobench, tmp_path):
    written(tmp_path, JUDGE)
    done = zobench("check", "mine.py:mine")
    assert (done.returncode, done.err) == (0, "")
    assert done.out.startswith("mine.py:mine (judge)\n  ok       answers")
    assert "keeps its contract: 7 ok, 0 skipped" in done.out
    written(tmp_path, replaced(JUDGE, *JUDGE_BREACHES["not finite"][:2]))
    (tmp_path / "mine.toml").write_text(SUITE)
    done = zobench("check", "mine.toml", "mine.py:mine")
    assert done.returncode == 1
    assert re.search(r"failed   finite +mine.py:mine gives the scores", done.out)
    assert "mine (suite)" in done.out or "mine.toml (suite)" in done.out


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import os; os._exit(3)", "its process ended with status 3"),
        ("while True: pass", "it takes more than 3 s"),
        ("raise SystemExit", "raises SystemExit"),
    ],
)
def test_an_element_that_ends_or_hangs_is_a_failed_check(zobench, tmp_path, body, said):
    text = JUDGE.replace("    return", f"    if len(texts) == 1:\n        {body}\n    return")
    written(tmp_path, text)
    done = zobench("check", "mine.py:mine", "--time-limit", "3")
    assert done.returncode == 1
    assert re.search(rf"failed   order .*{said}", done.out), done.out
    assert re.search(r"ok       generators", done.out)


def test_the_command_refuses_in_one_line(zobench):
    for arguments, said in {
        ("no.py:mine",): "no file 'no.py'",
        ("mezzo",): "did you mean 'mezo'",
        ("mezo", "--kind", "method"): "--kind is one of estimator",
        ("smoke", "--time-limit", "0"): "above 0",
    }.items():
        done = zobench("check", *arguments)
        assert (done.returncode, done.out) == (2, "")
        assert said in done.err
        assert len(done.err.splitlines()) == 1


def test_settings_after_the_name_are_checked(tmp_path):
    seen = []

    def settings(element):
        subject = subject_of(element)
        seen.append(str(subject))
        assert subject.entry is not None
        return dict(subject.entry.sanity)

    own = settings("mezo")
    assert settings("mezo:lr=0.5,eps=1e-2") == own | {"lr": 0.5, "eps": 1e-2}
    assert settings("sphere:dim=3")["dim"] == 3
    path = written(tmp_path, ESTIMATOR)
    assert settings(f"{path}:lr=0.25")["lr"] == 0.25
    assert seen == ["mezo", "mezo:lr=0.5,eps=1e-2", "sphere:dim=3", "mine.py:mine:lr=0.25"]


def test_a_setting_that_breaks_the_contract_fails(zobench):
    done = zobench("check", "mezo:lr=0")  # it never moves
    assert done.returncode == 1
    assert done.out.startswith("mezo:lr=0 (estimator)\n")
    assert re.search("failed   solves .*mezo:lr=0 ", done.out)


def test_settings_that_are_refused_end_the_command(zobench, tmp_path):
    written(tmp_path, JUDGE)
    for element, reason in {
        "mezo:rate=1": "mezo: no setting named 'rate'",
        "mezo:lr=fast": "mezo: setting 'lr' takes",
        "mezo:lr=1,lr=2": "setting 'lr' is given twice",
        "mezo:": "no setting after the colon",
        "smoke:lr=1": "smoke is of the kind suite, which has no settings",
        "mine.py:mine:lr=1": "mine.py:mine is of the kind judge, which has no settings",
    }.items():
        done = zobench("check", element)
        assert (done.returncode, done.out) == (2, ""), element
        assert reason in done.err, done.err
        assert len(done.err.splitlines()) == 1


def test_a_file_is_checked_whole(zobench, tmp_path):
    written(tmp_path, ROWS + ROWS.partition("objective\n")[2].replace("mine", "other"))
    done = zobench("check", "mine.py")
    assert done.returncode == 0, done.out
    assert "mine.py:mine (objective)" in done.out
    assert "mine.py:other (objective)" in done.out


@pytest.mark.parametrize("kind", ["estimator", "objective", "suite", "environment", "task"])
def test_what_new_writes_passes(zobench, kind):
    done = zobench("new", kind, "my-own")
    assert done.returncode == 0, done.err
    check = re.search(r"zobench (check .*)", done.out)
    assert check
    done = zobench(*check[1].split())
    assert done.returncode == 0, done.out + done.err


@pytest.mark.parametrize("kind", ["estimator", "objective"])
def test_what_new_writes_shows_every_fact(zobench, tmp_path, kind):
    from inspect import signature

    from zobench.registry import Registry

    assert zobench("new", kind, "my-own").returncode == 0
    text = (tmp_path / "my_own.py").read_text()
    facts = set(signature(Registry.register).parameters) - {"self", "name"}
    if kind == "objective":
        facts -= {"space", "first_order", "max_dim"}  # of estimators
    for fact in facts:
        assert f"    {fact}=" in text


# plugins


PLUGIN = {
    "my_plugin/__init__.py": '"""A plugin."""\n',
    "my_plugin/method.py": ESTIMATOR.replace('"mine"', '"plugged"'),
    "my_plugin/function.py": ROWS.replace('"mine"', '"plugged-in"'),
    "my_plugin-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0\n",
    "my_plugin-1.0.dist-info/entry_points.txt": (
        "[zobench.estimators]\nplugged = my_plugin.method\n\n"
        "[zobench.objectives]\nplugged-in = my_plugin.function\n"
    ),
}


def installed(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    paths = os.pathsep.join([str(folder), str(Path(__file__).parents[1])])
    return lambda *words: subprocess.run(
        [sys.executable, "-m", "zobench", *words],
        cwd=folder, capture_output=True, text=True, timeout=300,
        env=dict(os.environ) | {"PYTHONPATH": paths},
    )  # fmt: skip


def test_a_plugin_is_listed_run_and_checked(tmp_path):
    call = installed(tmp_path, PLUGIN)
    out = call("list").stdout
    assert re.search(r"^  plugged ", out, re.MULTILINE)
    assert re.search(r"^  plugged-in ", out, re.MULTILINE)
    (tmp_path / "s.toml").write_text(SUITE.replace('"sphere"', '"plugged-in"'))
    done = call("run", "plugged", "--suite", "s.toml")
    assert done.returncode == 0, done.stderr
    done = call("check", "plugged-in")
    assert done.returncode == 0, done.stdout


def test_a_plugin_that_does_not_load_is_named_and_leaves_the_rest(tmp_path):
    broken = PLUGIN | {"my_plugin/method.py": "import no_such_package\n"}
    done = installed(tmp_path, broken)("list")
    assert done.returncode == 0
    assert "mezo-bcd" in done.stdout
    assert "the estimator 'plugged' of the package my-plugin cannot be loaded" in done.stderr
    assert "no_such_package" in done.stderr


def test_a_column_holds_the_names_of_all_checks():
    from typing import get_args

    from zobench.display.checks import NAME

    for kind in get_args(testing.Kind):
        assert all(len(name) < NAME for name in testing.contract_of(kind).tests)
