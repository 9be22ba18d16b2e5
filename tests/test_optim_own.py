"""Methods of a user's own file: saved, resumed bit for bit, recorded, or refused in a sentence."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from optim_tools import loss_of, net
from test_optim_state import equal, steps, through_a_file

from zobench.errors import BadInput
from zobench.optim import ZerothOrder, replay

OWN = '''
import random
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

import numpy as np
import torch

from zobench.core.directions import Direction, FixedMask, LowRank, Noise, Recipe
from zobench.core.estimator import ComposedEstimator
from zobench.core.rules import SGD
from zobench.core.samplers import Sparse, gaussian
from zobench.core.schemes import Central
from zobench.core.seeds import fold


@dataclass(frozen=True)
class Halves(Direction):
    """Of values alone."""
    seed: int
    factor: float

    def expand(self, block):
        yield self.factor, Noise(self.seed)
        yield self.factor, Noise(self.seed + 1)


@dataclass(frozen=True, eq=False)
class Scaled(Direction):
    """Holds an array."""
    inner: Direction
    scales: np.ndarray

    def expand(self, block):
        return ((1.0, self),)

    def add(self, out, scale, block, start):
        part = np.zeros(len(out))
        self.inner.add(part, scale, block, start)
        out += part * self.scales[block.start + start :][: len(out)]


@dataclass(frozen=True)
class Nested(Direction):
    """Expands into a direction that expands too."""
    inner: Direction

    def expand(self, block):
        return ((0.7, self.inner),)


@dataclass
class Duck:
    """Not even hashable."""
    seed: int

    def expand(self, block):
        return ((1.0, Noise(self.seed)),)


def halves_sampler(params, t, seed, base):
    return Halves(seed, 0.7)


def nested_sampler(params, t, seed, base):
    return Nested(Recipe(((1.0, LowRank(seed, seed + 1, 2)), (0.5, Nested(Noise(seed))))))


@dataclass
class StdForward:
    eps: float
    n: int

    def __call__(self, params, evaluate, draw, t):
        ds = [draw() for _ in range(self.n)]
        base, *losses = evaluate([(0.0, ds[0]), *((self.eps, d) for d in ds)])
        std = float(np.std(losses)) or 1.0
        return Recipe(tuple(((loss - base) / std / self.n, d) for loss, d in zip(losses, ds)))


@dataclass(frozen=True)
class FrozenScheme:
    eps: float
    schedule: object

    def __call__(self, params, evaluate, draw, t):
        return Central(self.eps * self.schedule(t))(params, evaluate, draw, t)


class Drawn:
    """A sampler with a generator of its own; the rule shares it."""
    def __init__(self, rng):
        self.rng, self.last = rng, deque(maxlen=3)

    def __call__(self, params, t, seed, base):
        seed = draws(self.rng)
        self.last.append(seed)
        return Noise(self.last[0] ^ seed)


def draws(rng):
    if isinstance(rng, np.random.Generator):
        rng.standard_normal(), rng.integers(9, dtype=np.uint32)
        return int(rng.integers(1 << 60))
    if isinstance(rng, np.random.RandomState):
        rng.standard_normal()
        return int(rng.randint(1 << 30))
    if isinstance(rng, random.Random):
        rng.gauss(0, 1)
        return rng.randrange(1 << 60)
    if isinstance(rng, np.random.SeedSequence):
        return int(np.random.default_rng(rng.spawn(1)[0]).integers(1 << 60))
    return int(torch.randint(1 << 60, (), generator=rng))


class NoisySGD(SGD):
    def __init__(self, lr, rng):
        super().__init__(lr)
        self.rng = rng

    def apply(self, params, gradient, t):
        super().apply(params, Recipe(tuple((w * (1 + draws(self.rng) % 3), d)
                                           for w, d in gradient.terms)), t)


RNGS = {
    **{n: (lambda seed, n=n: np.random.Generator(getattr(np.random, n)(seed)))
       for n in ("PCG64", "PCG64DXSM", "Philox", "MT19937", "SFC64")},
    "legacy": np.random.RandomState, "python": random.Random, "spawning": np.random.SeedSequence,
    "torch": lambda seed: torch.Generator().manual_seed(seed),
}


def with_rng(lr: float = 1e-3, kind: str = "PCG64") -> ComposedEstimator:
    rng = RNGS[kind](5)
    return ComposedEstimator(Drawn(rng), Central(1e-2), NoisySGD(lr, rng))


class Mixture:
    """A sampler of samplers, of ours, of functions, and of some that come and go."""
    def __init__(self):
        self.inner = [gaussian, Sparse(0.5, 2), halves_sampler]
        self.extra = {}

    def __call__(self, params, t, seed, base):
        self.extra.setdefault(t % 4, Arm(seed)).pulls += 1
        self.extra[t % 4].seen[Colour(t % 2)] = np.float32(t) / 3
        return self.inner[(t + self.extra[t % 4].pulls) % 3](params, t, seed, base)


class Colour(Enum):
    RED = 0
    BLUE = 1


class Arm:
    __slots__ = ("pulls", "seed", "seen")

    def __init__(self, seed):
        self.pulls, self.seed, self.seen = 0, seed, {}


class Bound:
    """Its method is the sampler."""
    def __init__(self):
        self.count = 0

    def draw(self, params, t, seed, base):
        self.count += 1
        return Noise(self.count)


class Loop:
    """start and step; state of many kinds, and one array under two names."""
    def __init__(self, lr):
        self.lr, self.arms = lr, []

    def start(self, params, seed):
        self.params, self.seed, self.t = params, seed, 0
        self.h = np.ones(params.size)
        self.same, self.slope = self.h, np.float64(0)
        self.direction = Scaled(Noise(7), self.h)
        self.blocks = list(params.blocks)

    def step(self, evaluate):
        d = self.direction if self.t % 3 else Scaled(Noise(fold(self.seed, self.t)), self.h)
        plus, minus = evaluate([(1e-2, d), (-1e-2, d)])
        self.slope = 0.5 * self.slope + np.float64(plus - minus) / 2e-2
        self.same *= 0.9
        self.same += 0.1 * (self.blocks[-1].index + 1)
        self.params.add(-self.lr * self.slope, d)
        self.t += 1


def std_forward(lr: float = 1e-2) -> ComposedEstimator:
    return ComposedEstimator(gaussian, StdForward(1e-2, 4), SGD(lr))

def frozen_scheme(lr: float = 1e-2) -> ComposedEstimator:
    return ComposedEstimator(gaussian, FrozenScheme(1e-2, lambda t: 1 / (1 + t)), SGD(lr))

def mixture(lr: float = 1e-2) -> ComposedEstimator:
    return ComposedEstimator(Mixture(), Central(1e-2), SGD(lr))

def bound(lr: float = 1e-2) -> ComposedEstimator:
    return ComposedEstimator(Bound().draw, Central(1e-2), SGD(lr))

def nested(lr: float = 1e-2) -> ComposedEstimator:
    return ComposedEstimator(nested_sampler, Central(1e-2), SGD(lr))


def halves(lr: float = 1e-2) -> ComposedEstimator:
    return ComposedEstimator(halves_sampler, Central(1e-2), SGD(lr))

def loop(lr: float = 1e-2) -> Loop:
    return Loop(lr)


def array_sampler(params, t, seed, base):
    return Scaled(Noise(seed), np.ones(params.size))

def with_arrays(lr: float = 1e-2) -> ComposedEstimator:
    return ComposedEstimator(array_sampler, Central(1e-2), SGD(lr))

def duck(lr: float = 1e-2) -> ComposedEstimator:
    return ComposedEstimator(lambda params, t, seed, base: Duck(seed), Central(1e-2), SGD(lr))


# What cannot be saved.

def hidden_in_a_cell(lr: float = 1e-2) -> ComposedEstimator:
    rng = np.random.default_rng(3)
    return ComposedEstimator(lambda *_: Noise(int(rng.integers(99))), Central(1e-2), SGD(lr))

def hidden_in_a_default(lr: float = 1e-2) -> ComposedEstimator:
    def draw(params, t, seed, base, memory=[]):
        memory.append(seed)
        return Noise(memory[0])
    return ComposedEstimator(draw, Central(1e-2), SGD(lr))

def hidden_in_a_partial(lr: float = 1e-2) -> ComposedEstimator:
    draw = partial(Drawn.__call__, Drawn(random.Random(3)))
    return ComposedEstimator(draw, Central(1e-2), SGD(lr))

class WithView(Loop):
    def start(self, params, seed):
        super().start(params, seed)
        self.part = self.h[:3]

def a_view(lr: float = 1e-2) -> Loop:
    return WithView(lr)

class WithList(list):
    def __call__(self, params, t, seed, base):
        self.append(t)
        return Noise(seed)

def a_list_of_its_own(lr: float = 1e-2) -> ComposedEstimator:
    return ComposedEstimator(WithList(), Central(1e-2), SGD(lr))

class WithThread(Drawn):
    def __init__(self):
        import threading
        super().__init__(random.Random(3))
        self.lock = threading.Lock()

def a_lock(lr: float = 1e-2) -> ComposedEstimator:
    return ComposedEstimator(WithThread(), Central(1e-2), SGD(lr))
'''
GENERATORS = [
    "PCG64",
    "PCG64DXSM",
    "Philox",
    "MT19937",
    "SFC64",
    "legacy",
    "python",
    "spawning",
    "torch",
]
SAVED = [
    *(("with_rng", {"kind": kind}) for kind in GENERATORS),
    *(
        (name, {})
        for name in ["std_forward", "frozen_scheme", "mixture", "bound", "halves", "nested", "loop"]
    ),
    ("with_arrays", {}),
    ("duck", {}),
]
UNSAVED = {
    "hidden_in_a_cell": "holds a Generator",
    "hidden_in_a_default": "holds a list",
    "hidden_in_a_partial": "holds a Drawn",
    "a_view": "share memory",
    "a_list_of_its_own": "is a WithList",
    "a_lock": "is a lock",
}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "own.py"
    path.write_text(OWN)
    return path


@pytest.mark.parametrize(("name", "settings"), SAVED, ids=lambda v: str(v))
def test_it_is_saved_and_goes_on_bit_for_bit(own, name, settings):
    models = net(), net()
    plain, opt = (ZerothOrder(m, f"{own}:{name}", seed=4, **settings) for m in models)
    for count in (5, 2):  # saved twice
        steps(opt, models[1], count)
        saved = through_a_file(opt.state_dict())
        twin = copy.deepcopy(models[1])
        opt = ZerothOrder(twin, f"{own}:{name}", seed=9, **settings)
        opt.load_state_dict(saved)
        models = models[0], twin
    steps(opt, models[1], 6)
    closure = loss_of(models[0])  # made once: it lists parameters, which flushes
    for _ in range(13):
        plain.step(closure)
    plain.flush()
    assert equal(*models)
    assert not equal(models[0], net())


@pytest.mark.parametrize(("name", "why"), UNSAVED.items())
def test_what_cannot_be_saved_is_told(own, name, why):
    model = net()
    opt = ZerothOrder(model, f"{own}:{name}")
    steps(opt, model, 2)
    with pytest.raises(BadInput, match=why) as told:
        opt.state_dict()
    assert "\n" not in str(told.value)
    steps(opt, model, 2)  # and the run goes on


@pytest.mark.parametrize("name", ["halves", "nested", "mixture", "std_forward", "frozen_scheme"])
def test_its_directions_are_recorded_and_replayed(own, name, tmp_path):
    path, model = tmp_path / "run.zo", net()
    start = copy.deepcopy(model)
    opt = ZerothOrder(model, f"{own}:{name}")
    opt.record(path)
    for _ in range(9):
        opt.step(loss_of(model))
    opt.close()
    assert replay(path, start) == 9
    assert equal(start, model)


@pytest.mark.parametrize("name", ["with_arrays", "duck", "loop"])
def test_what_cannot_be_recorded_is_told_at_once(own, name, tmp_path):
    model = net()
    start = copy.deepcopy(model)
    opt = ZerothOrder(model, f"{own}:{name}")
    with pytest.raises(BadInput, match="only directions that replay from a seed") as told:
        opt.record(tmp_path / "run.zo")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run.zo").exists()
    assert equal(start, model)
    steps(opt, model, 2)


def test_a_rule_that_shares_a_generator_is_not_recorded(own, tmp_path):
    opt = ZerothOrder(net(), f"{own}:with_rng")
    with pytest.raises(BadInput, match="rule shares a Generator"):
        opt.record(tmp_path / "run.zo")


def test_a_record_runs_no_file(own, tmp_path):
    """Of a program that has not used the file, the user must name it."""
    path, model = tmp_path / "run.zo", net()
    opt = ZerothOrder(model, f"{own}:halves")
    opt.record(path)
    steps(opt, model, 3)
    opt.close()
    code = f"""
import sys
sys.path.insert(0, {str(sys.path[0])!r})
sys.path.insert(0, {str(__file__.rpartition("/")[0])!r})
from optim_tools import net
from zobench.optim import replay
from zobench.errors import BadInput
try:
    replay({str(path)!r}, net())
except BadInput as error:
    print(error)
assert not [name for name in sys.modules if name.startswith("zobench_user")]
print(replay({str(path)!r}, net(), estimator={f"{own}:halves"!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "no file is run because a record names it" in done.stdout
    assert done.stdout.splitlines()[-1] == "3"


def test_a_state_makes_no_object_of_a_class_that_is_not_the_files_own(own):
    model = net()
    opt = ZerothOrder(model, f"{own}:mixture")
    steps(opt, model, 2)
    for kind in ("own Popen", "Popen", "subprocess.Popen", "own Recipe", "own __builtins__"):
        saved = copy.deepcopy(opt.state_dict())
        saved["zobench"]["held"]["sampler"]["of"]["extra"] = {"#": kind, "of": [["true"]]}
        fresh = ZerothOrder(net(), f"{own}:mixture")
        with pytest.raises(BadInput, match="does not fit"):
            fresh.load_state_dict(saved)
        steps(fresh, model, 1)


SCALES = """
from dataclasses import dataclass

from zobench import Direction, Noise, fold
from zobench.core.directions import PrimitiveDirection

SCALES = [1.0]


@dataclass(frozen=True)
class Read(PrimitiveDirection):
    seed: int

    def add(self, out, scale, block, start):
        Noise(self.seed).add(out, scale * SCALES[0], block, start)


@dataclass(frozen=True)
class Weighed(Direction):
    seed: int

    def expand(self, block):
        return ((SCALES[0], Noise(self.seed)),)


class Loop:
    def __init__(self, kind):
        self.kind, self.t = kind, 0

    def start(self, params, seed):
        self.seed = seed

    def step(self, evaluate):
        direction = self.kind(fold(self.seed, self.t))
        evaluate([(0.1, direction), (-0.1, direction)])
        SCALES[0] = 3.0 - SCALES[0]
        self.t += 1


def read() -> Loop:
    return Loop(Read)


def weighed() -> Loop:
    return Loop(Weighed)
"""


@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("name", ["read", "weighed"])
def test_scales_that_change_after_the_losses_do_not_move_the_weights(tmp_path, name, delay):
    (tmp_path / "scales.py").write_text(SCALES)
    model = net()
    opt = ZerothOrder(model, f"{tmp_path / 'scales.py'}:{name}", realisation="walk", delay=delay)
    steps(opt, model, 5)
    opt.flush()
    for weight, before in zip(model.parameters(), net().parameters()):
        torch.testing.assert_close(weight, before, rtol=0, atol=1e-5)
