"""Small objectives and estimators for the tests of the harness, loaded as a user's file is."""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from zobench.core.directions import Dense, Noise
from zobench.core.estimator import Finished
from zobench.core.problem import VectorProblem
from zobench.core.seeds import fold
from zobench.errors import Unsuitable
from zobench.registry import estimators, objectives

MIB = 1 << 20


@objectives.register("bowl")
def bowl(
    dim: int = 4, instance: int = 1, noisy: bool = False, pause: float = 0.0, spread: float = 1.0
) -> VectorProblem:
    """f(x) = |x - instance|^2, from x0 ~ spread N(0, I); `pause` seconds a call."""

    def f(x: np.ndarray) -> np.ndarray:
        time.sleep(pause) if pause else None
        return ((x - instance) ** 2).sum(axis=1)

    def noise(gaps: np.ndarray, points: np.ndarray, seed: int) -> np.ndarray:
        return gaps * (1 + 0.01 * np.random.default_rng(seed).standard_normal(len(gaps)))

    def start(rng: np.random.Generator) -> np.ndarray:
        return spread * rng.normal(size=dim)

    return VectorProblem(f, start, noise=noise if noisy else None)


def bad(kind: str = "raise", at: int = 100) -> VectorProblem:
    """A bowl that misbehaves at query number `at`."""
    count = 0

    def f(x: np.ndarray) -> np.ndarray:
        nonlocal count
        count += len(x)
        return FAULTS[kind](x) if count > at and kind in FAULTS else (x**2).sum(axis=1)

    def score() -> dict[str, float]:
        gap = float((problem.params.x**2).sum())
        return {"gap": float("inf") if count > at and kind == "score" else gap}

    problem = VectorProblem(f, lambda rng: rng.normal(size=3))
    problem.warm_up = lambda: None
    problem.score = score
    return problem


def _raise(x: np.ndarray) -> np.ndarray:
    raise ZeroDivisionError("the\nsun went out")


def _spin(x: np.ndarray) -> np.ndarray:
    while True:
        pass


def _stubborn(x: np.ndarray) -> np.ndarray:
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            continue


def _hoard(x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones(4 * MIB) for _ in range(100)])


def _creep(x: np.ndarray) -> np.ndarray:
    """Memory that no limit on allocations sees: pages of a shared mapping."""
    import mmap

    area = mmap.mmap(-1, 400 * MIB)
    for start in range(0, len(area), MIB):
        area[start : start + MIB] = b"x" * MIB
        time.sleep(0.005)
    return x


FAULTS = {
    "raise": _raise,
    "nan": lambda x: np.full(len(x), np.nan),
    "spin": _spin,
    "stubborn": _stubborn,
    "hoard": _hoard,
    "creep": _creep,
    "exit": lambda x: os._exit(0),
    "kill": lambda x: os.kill(os.getpid(), signal.SIGKILL),
    "leave": lambda x: exit(3),
}


class Walk:
    """Keeps a random neighbour when it is better: deterministic, `n` queries a step."""

    def __init__(self, size: float, n: int) -> None:
        self.size, self.n = size, n

    def start(self, params, seed):
        self.params, self.seed, self.t, self.low = params, seed, 0, float("inf")

    def step(self, evaluate):
        self.t += 1
        probes = [(self.size, Noise(fold(self.seed, self.t, k))) for k in range(self.n)]
        losses = list(evaluate(probes))
        if min(losses) < self.low:
            self.low = min(losses)
            self.params.add(*probes[losses.index(self.low)])


@estimators.register("walk", space={"size": (0.01, 1.0, "log")})
def walk(size: float = 0.3, n: int = 1) -> Walk:
    """A random walk downhill."""
    return Walk(size, n)


class Scripted:
    """Evaluates given multiples of the all-ones vector, and stands on the last of each call."""

    def __init__(self, calls) -> None:
        self.calls = calls

    def start(self, params, seed):
        self.params, self.left = params, list(self.calls)
        self.at = 0.0

    def step(self, evaluate):
        if not self.left:
            raise Finished("the script is over")
        points = self.left.pop(0)
        ones = Dense(np.ones(self.params.size))
        evaluate([(p - self.at, ones) for p in points])
        self.params.add(points[-1] - self.at, ones)
        self.at = points[-1]


def scripted(calls: tuple = ((1.0,),)) -> Scripted:
    return Scripted(calls)


def unsuitable() -> Walk:
    raise Unsuitable("needs the moon")


def typo() -> Walk:
    class Typo(Walk):
        def step(self, evaluate):
            evaluate(self.nothing)

    return Typo(0.1, 1)


@estimators.register("needy", needs="no_such_module", install="no-such-package")
def needy() -> Walk:
    return Walk(0.1, 1)


@objectives.register("roomy", isolate=True, in_worker=("json", "decimal"))
def roomy(mib: int = 64, scoring: int = 100) -> VectorProblem:
    """An evaluation of `mib` MiB; a score of `scoring` MiB; four times that once, at the end."""

    def f(x: np.ndarray) -> np.ndarray:
        work = np.ones(mib * MIB // 8)
        return (x**2).sum(axis=1) * work[0]

    problem = VectorProblem(f, lambda rng: rng.normal(size=3))

    def score() -> dict[str, float]:
        work = np.ones(scoring * MIB // 8)
        return {"gap": float((problem.params.x**2).sum() * work[-1])}

    def finish() -> dict[str, float]:
        time.sleep(0.6)
        return {"left": float(np.ones(4 * scoring * MIB // 8)[0])}

    problem.score = score
    problem.finish = finish
    return problem


class Hoarder(Walk):
    """A walk that holds memory."""

    def __init__(self, mib: int) -> None:
        super().__init__(0.1, 1)
        self.mib = mib

    def start(self, params, seed):
        super().start(params, seed)
        self.held = np.ones(self.mib * MIB // 8)


def hoarder(mib: int = 64) -> Hoarder:
    return Hoarder(mib)
