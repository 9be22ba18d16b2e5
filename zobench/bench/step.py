"""`zobench bench step`: seconds per training step of a language model, beside the textbook's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from zobench.bench.floor import Machine, machine, work
from zobench.bench.memory import PeakMemory
from zobench.bench.subject import FixedBatch, Meter, Setup, build
from zobench.bench.timing import Sample, interleave
from zobench.core.estimator import Estimator
from zobench.core.oracle import Oracle
from zobench.core.params import law_named
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
    """The cost of a step.

    Attributes:
        seconds: per step.
        queries: per step.
        forwards: forward passes per step.
        forward: the share of the time in forward passes.
        memory: peak bytes above the model.
        floor: the least seconds of its forward passes, and of its passes over the weights.
    """

    seconds: Sample
    queries: float
    forwards: float = float("nan")
    forward: float = float("nan")
    memory: float = float("nan")
    floor: tuple[float, float] = (float("nan"), float("nan"))


@dataclass
class Stepper:
    """A step, and how many of them make a sample."""

    step: Callable[[], None]
    count: int
    queries: Callable[[], float]  # so far
    forwards: Callable[[], float]
    passes: float  # over all weights per step, at the least: a read and a write each


def measure(
    setup: Setup,
    repeats: int = 7,
    names: Sequence[str] = DEFAULT,
    scratch: bool = False,
    graphs: bool = False,
    paired: bool = False,
    laws: Sequence[str] = ("gaussian",),
    clock: Callable[[], float] = perf_counter,
) -> Iterator[tuple[str, dict[str, Cost], Machine]]:
    """Yield (progress, costs so far, what the device reaches). The last costs are complete.

    A sample is two steps. For an estimator that moves one group per step it is one step on every
    group, so that its cost is the mean over the groups. (To stay on a group, as it does by default,
    would save one weight pass per step.) Such an estimator is measured also without prefix reuse,
    and "shared": on one minibatch per sweep, from the last group to the first.
    "no delay": the weights are back at the point after each step, as ZerothOrder leaves them by
    default.

    Args:
        setup: the model and the batch.
        repeats: rounds, in each of which every case is measured once.
        names: "textbook", "inference", and registered estimators.
        scratch: measure each estimator also in that realisation.
        graphs: measure each case also with recorded losses.
        paired: measure each estimator also in that realisation.
        laws: of the normal directions. For each but the first, all realisations of each estimator
            are measured once more.
        clock: returns seconds; see `clock_of`.

    Raises:
        BadInput: the model, shape, type or an estimator does not exist.
    """
    if repeats < 1:
        raise BadInput(f"repeats is a number of at least 1, not {repeats}")
    for name in names:
        if name not in (TEXTBOOK, INFERENCE):
            _ = estimators[name]  # unknown: raises with near names
    for law in laws:
        law_named(law)
    model, batch = build(setup)
    import torch

    meter = Meter(clock)
    on_gpu = batch.ids.device.type == "cuda"
    sync = torch.cuda.synchronize if on_gpu else meter.sync
    apart = ["scratch"] * scratch + ["paired"] * paired
    reached, watch = machine(model, batch, sync), PeakMemory(on_gpu)
    steppers = _steppers(names, model, batch, meter, apart, graphs, laws)
    shares: dict[str, list[float]] = {name: [] for name in steppers}
    memory: dict[str, list[float]] = {name: [] for name in steppers}

    def case(name: str) -> Callable[[], float]:
        stepper = steppers[name]

        def sample() -> float:
            sync()
            watch.start()
            meter.seconds = 0.0
            began = clock()
            for _ in range(stepper.count):
                stepper.step()
            sync()
            seconds = clock() - began
            shares[name].append(meter.seconds / seconds)
            memory[name].append(watch.peak())
            return seconds / stepper.count

        return sample

    cases = {name: case(name) for name in steppers}
    samples: dict[str, Sample] = {}
    for done, samples in interleave(cases, repeats):
        yield f"round {done} of {repeats}", {n: Cost(s, 2) for n, s in samples.items()}, reached
    if on_gpu:  # to time forward passes costs time there, so it is done in rounds of its own
        meter.sync = sync
        shares.update({name: [] for name in steppers})
        for _ in range(3):
            for name in steppers:
                cases[name]()
    size = work(model, batch)
    costs = {}
    for name, sample in samples.items():
        stepper, runs = steppers[name], (1 + repeats + 3 * on_gpu) * steppers[name].count
        forwards = stepper.forwards() / runs
        costs[name] = Cost(
            sample,
            stepper.queries() / runs,
            forwards,
            Sample(tuple(shares[name])).median,
            Sample(tuple(memory[name])).median,  # the first one also loaded code
            size.floor(reached, forwards, stepper.passes),
        )
    yield "done", costs, reached


def clock_of(setup: Setup) -> Callable[[], float]:
    """Return the clock of a measurement: processor time of one thread, else elapsed time.

    Processor time does not count other work of the machine.
    """
    import torch

    is_alone = setup.device == "cpu" and torch.get_num_threads() == 1
    return process_time if is_alone else perf_counter


def _steppers(
    names: Sequence[str],
    model: PreTrainedModel,
    batch: Batch,
    meter: Meter,
    apart: Sequence[str],
    graphs: bool,
    laws: Sequence[str],
) -> dict[str, Stepper]:
    from zobench.bench.textbook import TextbookMeZO

    steppers: dict[str, Stepper] = {}
    for name in names:
        if name == TEXTBOOK:
            # It moves its weights to new tensors: it has a model of its own.
            textbook = TextbookMeZO(copy.deepcopy(model), batch, LR, EPS, meter)
            count = Counted(textbook.step, 2)
            steppers[name] = Stepper(count, 2, count.queries, count.queries, 2.0)
        elif name == INFERENCE:
            steppers[name] = _inference(FixedBatch(model, batch, meter))
            if graphs:
                recorded = FixedBatch(model, batch, meter, graphs=True)
                steppers[f"{name}, graphs"] = _inference(recorded)
        else:
            first = FixedBatch(model, batch, meter, law=laws[0])
            steppers[name] = stepper = stepper_of(name, first)
            back = FixedBatch(model, batch, meter, law=laws[0])
            steppers[f"{name}, no delay"] = stepper_of(name, back, delay=False)
            if stepper.count > 2:
                plain = FixedBatch(model, batch, meter, reuse=False, law=laws[0])
                steppers[f"{name}, no reuse"] = stepper_of(name, plain)
            for law, realisation in product(laws, ("walk", *apart)):
                words = [realisation] * (realisation != "walk") + [law] * (law != laws[0])
                if words:
                    steppers[", ".join([name, *words])] = stepper_of(
                        name, FixedBatch(model, batch, meter, realisation, law=law)
                    )
                if "share_batch" in estimators[name].defaults:
                    problem = FixedBatch(model, batch, meter, realisation, law=law, shared=True)
                    steppers[", ".join([name, *words, "shared"])] = stepper_of(name, problem)
            if graphs:
                recorded = FixedBatch(model, batch, meter, graphs=True, law=laws[0])
                steppers[f"{name}, graphs"] = stepper_of(name, recorded)
    return steppers


def _inference(problem: FixedBatch) -> Stepper:
    """Return a step of two losses at the point, and nothing else."""
    problem.start(0)
    count = Counted(lambda: [problem.loss(0), problem.loss(0)], 2)
    return Stepper(count, 2, count.queries, count.queries, 0.0)


def stepper_of(name: str, problem: FixedBatch, lr: float = LR, delay: bool = True) -> Stepper:
    """Return a step of a registered estimator, with its own params over the weights.

    `delay`: let the way back from the last probe of a step wait for the next step.
    """
    shared = problem.stochastic  # one sweep per sample, from the last group to the first
    order = "descending" if shared else "ascending"
    settings: dict[str, Any] = {"lr": lr, "eps": EPS, "dwell": 1, "order": order}
    settings["share_batch"] = shared
    defaults = estimators[name].defaults
    estimator: Estimator = estimators[name].build(
        {k: settings[k] for k in settings if k in defaults}
    )
    params = problem.start(0)
    estimator.start(params, 0)
    oracle = Oracle(problem, ENOUGH, 0, on_device=getattr(estimator, "on_device", False))
    groups = len(params.groups) if "dwell" in defaults else 1

    def step() -> None:
        estimator.step(oracle)
        if not delay:
            params.flush()

    return Stepper(
        step,
        2 if groups == 1 else groups,
        lambda: oracle.queries,
        lambda: problem.forwards,
        (2.0 if delay else 3.0) / groups,
    )


class Counted:
    """A step that always makes the same number of queries."""

    def __init__(self, step: Callable[[], object], per_step: int) -> None:
        self.step, self.per_step, self.count = step, per_step, 0

    def __call__(self) -> None:
        """Make a step, and count its queries."""
        self.count += self.per_step
        self.step()

    def queries(self) -> float:
        """Return the number of queries so far."""
        return self.count
