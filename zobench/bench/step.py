"""`zobench bench step`: seconds a training step of a language model, against the textbook's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from zobench.bench.subject import FixedBatch, Meter, Setup, build
from zobench.bench.timing import Sample, interleave
from zobench.core.estimator import Estimator
from zobench.core.oracle import Oracle
from zobench.errors import BadInput
from zobench.registry import estimators

TEXTBOOK = "textbook MeZO"
LR, EPS = 1e-7, 1e-3  # steps so short that the weights stay what they are
TIMED = 3  # further rounds on a GPU, where taking the time of forward passes costs time
ENOUGH = 1 << 62  # queries


@dataclass(frozen=True)
class Cost:
    """What a step of a method costs. `forward` is the share of it spent in forward passes."""

    seconds: Sample
    forward: float = float("nan")


@dataclass(frozen=True)
class Method:
    """A step, and how many of them make a sample."""

    step: Callable[[], None]
    count: int


def measure(setup: Setup, repeats: int = 7) -> Iterator[tuple[str, dict[str, Cost]]]:
    """Yield (what was done, costs so far); the last one is complete.

    A sample is two steps; for mezo-bcd it is one on every group, so that its cost is the mean over
    all groups and not that of a lucky one. (Staying on a group, as it does by default, would save
    it one weight pass a step.) Raises BadInput on a model, shape or type that cannot be.
    """
    if repeats < 1:
        raise BadInput(f"repeats is a number of at least 1, not {repeats}")
    model, batch = build(setup)
    import torch

    from zobench.bench.textbook import TextbookMeZO

    meter = Meter()
    on_gpu = batch.ids.device.type == "cuda"
    sync = torch.cuda.synchronize if on_gpu else meter.sync
    # The textbook moves its weights to new tensors: it has a model of its own.
    textbook = TextbookMeZO(copy.deepcopy(model), batch, LR, EPS, meter)
    sweep = len(FixedBatch(model, batch, meter).start(0).groups)
    methods = {TEXTBOOK: Method(textbook.step, 2)}
    for name, settings, count in (
        ("mezo", {}, 2),
        ("mezo-bcd", {"dwell": 1, "order": "ascending"}, sweep),
        ("lozo", {}, 2),
    ):
        problem = FixedBatch(model, batch, meter)
        methods[name] = Method(_stepper(name, settings, problem), count)
    shares: dict[str, list[float]] = {name: [] for name in methods}

    def case(name: str) -> Callable[[], float]:
        method = methods[name]

        def sample() -> float:
            sync()
            meter.seconds = 0.0
            began = perf_counter()
            for _ in range(method.count):
                method.step()
            sync()
            seconds = perf_counter() - began
            shares[name].append(meter.seconds / seconds)
            return seconds / method.count

        return sample

    cases = {name: case(name) for name in methods}
    samples: dict[str, Sample] = {}
    for done, found in interleave(cases, repeats):
        samples = found
        yield f"round {done} of {repeats}", {name: Cost(s) for name, s in samples.items()}
    if on_gpu:
        meter.sync = sync
        shares.update({name: [] for name in methods})
        for _ in range(TIMED):
            for name in methods:
                cases[name]()
    yield "done", {n: Cost(s, Sample(tuple(shares[n])).median) for n, s in samples.items()}


def _stepper(name: str, settings: dict[str, Any], problem: FixedBatch) -> Callable[[], None]:
    """A registered estimator on the model, ready to step, with its own view of the weights."""
    estimator: Estimator = estimators[name].build({"lr": LR, "eps": EPS} | settings)
    estimator.start(problem.start(0), 0)
    oracle = Oracle(problem, ENOUGH, 0)
    return lambda: estimator.step(oracle)
