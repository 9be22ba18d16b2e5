"""`zobench bench step`: seconds a training step of a language model, against the textbook's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from zobench.bench.floor import Machine, machine, work
from zobench.bench.memory import PeakMemory
from zobench.bench.subject import FixedBatch, Meter, Setup, build
from zobench.bench.timing import Sample, interleave
from zobench.core.estimator import Estimator
from zobench.core.oracle import Oracle
from zobench.errors import BadInput
from zobench.registry import estimators

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from zobench.objectives.llm.batches import Batch

TEXTBOOK, INFERENCE = "textbook", "inference"
DEFAULT = (TEXTBOOK, INFERENCE, "mezo", "mezo-bcd", "lozo")
LR, EPS = 1e-7, 1e-3  # steps so short that the weights stay what they are
ENOUGH = 1 << 62  # queries


@dataclass(frozen=True)
class Cost:
    """What a step of a method costs.

    `forward`: the share of it spent in forward passes. `queries` and `forwards`: a step.
    `memory`: peak bytes above the model. `floor`: seconds of its forward and of its weight passes.
    """

    seconds: Sample
    queries: float
    forwards: float = float("nan")
    forward: float = float("nan")
    memory: float = float("nan")
    floor: tuple[float, float] = (float("nan"), float("nan"))


@dataclass
class Method:
    """A step, and how many of them make a sample."""

    step: Callable[[], None]
    count: int
    queries: Callable[[], float]  # so far
    forwards: Callable[[], float]
    passes: float  # over all weights a step: a read and a write each, at the least


def measure(
    setup: Setup,
    repeats: int = 7,
    names: Sequence[str] = DEFAULT,
    scratch: bool = False,
    graphs: bool = False,
) -> Iterator[tuple[str, dict[str, Cost], Machine]]:
    """Yield (what was done, costs so far, what the device reaches); the last one is complete.

    A sample is two steps; for a method that moves a group at a time it is a step on every group,
    so that its cost is the mean over the groups and not that of a lucky one. (Staying on a group,
    as it does by default, would save it one weight pass a step.) Such a method is measured also
    without prefix reuse. "no delay": the weights are back at the point after each step, as
    ZerothOrder leaves them by default. `scratch` adds each method in that realisation, `graphs`
    each one with recorded losses.
    Raises BadInput on a model, shape, type or estimator that cannot be.
    """
    if repeats < 1:
        raise BadInput(f"repeats is a number of at least 1, not {repeats}")
    for name in names:
        if name not in (TEXTBOOK, INFERENCE):
            _ = estimators[name]  # unknown: raises with near names
    model, batch = build(setup)
    import torch

    meter = Meter()
    on_gpu = batch.ids.device.type == "cuda"
    sync = torch.cuda.synchronize if on_gpu else meter.sync
    reached, watch = machine(model, batch, sync), PeakMemory(on_gpu)
    methods = _methods(names, model, batch, meter, scratch, graphs)
    shares: dict[str, list[float]] = {name: [] for name in methods}
    memory: dict[str, list[float]] = {name: [] for name in methods}

    def case(name: str) -> Callable[[], float]:
        method = methods[name]

        def sample() -> float:
            sync()
            watch.start()
            meter.seconds = 0.0
            began = perf_counter()
            for _ in range(method.count):
                method.step()
            sync()
            seconds = perf_counter() - began
            shares[name].append(meter.seconds / seconds)
            memory[name].append(watch.peak())
            return seconds / method.count

        return sample

    cases = {name: case(name) for name in methods}
    samples: dict[str, Sample] = {}
    for done, found in interleave(cases, repeats):
        samples = found
        yield f"round {done} of {repeats}", {n: Cost(s, 2) for n, s in samples.items()}, reached
    if on_gpu:  # taking the time of forward passes costs time there: rounds of their own
        meter.sync = sync
        shares.update({name: [] for name in methods})
        for _ in range(3):
            for name in methods:
                cases[name]()
    size = work(model, batch)
    costs = {}
    for name, sample in samples.items():
        method, runs = methods[name], (1 + repeats + 3 * on_gpu) * methods[name].count
        forwards = method.forwards() / runs
        costs[name] = Cost(
            sample,
            method.queries() / runs,
            forwards,
            Sample(tuple(shares[name])).median,
            Sample(tuple(memory[name])).median,  # the first one also loaded code
            size.floor(reached, forwards, method.passes),
        )
    yield "done", costs, reached


def _methods(
    names: Sequence[str],
    model: PreTrainedModel,
    batch: Batch,
    meter: Meter,
    scratch: bool,
    graphs: bool,
) -> dict[str, Method]:
    from zobench.bench.textbook import TextbookMeZO

    methods: dict[str, Method] = {}
    for name in names:
        if name == TEXTBOOK:
            # It moves its weights to new tensors: it has a model of its own.
            textbook = TextbookMeZO(copy.deepcopy(model), batch, LR, EPS, meter)
            count = Counted(textbook.step, 2)
            methods[name] = Method(count, 2, count.queries, count.queries, 2.0)
        elif name == INFERENCE:
            methods[name] = _inference(FixedBatch(model, batch, meter))
            if graphs:
                recorded = FixedBatch(model, batch, meter, graphs=True)
                methods[f"{name}, graphs"] = _inference(recorded)
        else:
            methods[name] = method = _stepper(name, FixedBatch(model, batch, meter))
            back = FixedBatch(model, batch, meter)
            methods[f"{name}, no delay"] = _stepper(name, back, delay=False)
            if method.count > 2:
                plain = FixedBatch(model, batch, meter, reuse=False)
                methods[f"{name}, no reuse"] = _stepper(name, plain)
            if scratch:
                apart = FixedBatch(model, batch, meter, "scratch")
                methods[f"{name}, scratch"] = _stepper(name, apart)
            if graphs:
                recorded = FixedBatch(model, batch, meter, graphs=True)
                methods[f"{name}, graphs"] = _stepper(name, recorded)
    return methods


def _inference(problem: FixedBatch) -> Method:
    """Two losses at the point, and nothing else."""
    problem.start(0)
    count = Counted(lambda: [problem.loss(0), problem.loss(0)], 2)
    return Method(count, 2, count.queries, count.queries, 0.0)


def _stepper(name: str, problem: FixedBatch, lr: float = LR, delay: bool = True) -> Method:
    """A registered estimator on the model, ready to step, with its own view of the weights.

    delay: may a step leave the way back from its last probe to the next one?
    """
    settings: dict[str, Any] = {"lr": lr, "eps": EPS, "dwell": 1, "order": "ascending"}
    known = estimators[name].defaults
    estimator: Estimator = estimators[name].build({k: settings[k] for k in settings if k in known})
    params = problem.start(0)
    estimator.start(params, 0)
    oracle = Oracle(problem, ENOUGH, 0, on_device=getattr(estimator, "on_device", False))
    groups = len(params.groups) if "dwell" in known else 1

    def step() -> None:
        estimator.step(oracle)
        if not delay:
            params.flush()

    return Method(
        step,
        2 if groups == 1 else groups,
        lambda: oracle.queries,
        lambda: problem.forwards,
        (2.0 if delay else 3.0) / groups,
    )


class Counted:
    """A step that always makes the same number of queries."""

    def __init__(self, step: Callable[[], object], each: int) -> None:
        self.step, self.each, self.made = step, each, 0

    def __call__(self) -> None:
        self.made += self.each
        self.step()

    def queries(self) -> float:
        return self.made
