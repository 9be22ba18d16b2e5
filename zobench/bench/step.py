"""`zobench bench step`: seconds a training step of a language model, against the textbook's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from zobench.bench.timing import Sample, interleave
from zobench.core.estimator import Estimator
from zobench.core.oracle import Oracle
from zobench.core.params import Group
from zobench.core.problem import InPlaceProblem
from zobench.errors import BadInput
from zobench.registry import estimators

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from zobench.core.module import TensorParams
    from zobench.objectives.llm.batches import Batch

TEXTBOOK = "textbook MeZO"
LR, EPS = 1e-7, 1e-3  # steps so short that the weights stay what they are
TIMED = 3  # further rounds in which the time inside forward passes is taken apart
ENOUGH = 1 << 62  # queries


@dataclass(frozen=True)
class Setup:
    """The model and the batch. `model` empty: a random OPT of the given shape."""

    model: str = ""
    layers: int = 8
    hidden: int = 256
    vocab: int = 8192
    heads: int = 4
    batch: int = 16
    tokens: int = 40
    dtype: str = "float32"
    device: str = "cpu"


@dataclass(frozen=True)
class Cost:
    """What a step of a method costs. `forward` is the share of it spent in forward passes."""

    seconds: Sample
    forward: float


class FixedBatch(InPlaceProblem):
    """The loss of a model on one batch, with the seconds spent in it."""

    params: TensorParams

    def __init__(self, model: PreTrainedModel, batch: Batch) -> None:
        self.model, self.batch = model, batch
        self.forward_seconds = 0.0
        self.sync: Callable[[], object] = _nothing

    def start(self, seed: int) -> TensorParams:
        from zobench.core.module import TensorParams
        from zobench.objectives.llm.groups import groups

        named = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        place = {name: index for index, (name, _) in enumerate(named)}
        members = [
            Group(name, frozenset(place[n] for n in inside))
            for name, inside in zip(*groups(self.model))
        ]
        self.params = TensorParams(named, members)
        return self.params

    def loss(self, seed: int) -> float:
        import torch

        from zobench.objectives.llm.loss import label_loss

        self.sync()  # noise that still runs on the device is not part of the forward pass
        began = perf_counter()
        with torch.inference_mode():
            value = float(label_loss(self.model, self.batch))
        self.forward_seconds += perf_counter() - began
        return value

    def score(self) -> dict[str, float]:
        return {"loss": self.loss(0)}


def measure(setup: Setup, repeats: int = 7) -> Iterator[tuple[str, dict[str, Cost]]]:
    """Yield (what was done, costs so far); the last one is complete.

    A sample is two steps; for mezo-bcd it is a sweep, two steps on every group, so that its
    cost is the mean over all groups and not that of a lucky one.
    Raises BadInput on a model, shape or type that cannot be.
    """
    import torch

    if repeats < 1:
        raise BadInput(f"repeats is a number of at least 1, not {repeats}")
    model, batch = build(setup)
    problem = FixedBatch(model, batch)
    on_gpu = batch.ids.device.type == "cuda"
    sync = torch.cuda.synchronize if on_gpu else _nothing
    textbook = TextbookSteps(copy.deepcopy(model), batch)  # it moves its weights to new tensors
    groups = len(problem.start(0).groups)
    steps: dict[str, tuple[Callable[[], None], int]] = {TEXTBOOK: (textbook.step, 2)}
    for name, settings, count in (
        ("mezo", {}, 2),
        ("mezo-bcd", {"dwell": 2, "order": "ascending"}, 2 * groups),
        ("lozo", {}, 2),
    ):
        steps[name] = _stepper(name, settings, problem), count

    def case(name: str) -> Callable[[], float]:
        step, count = steps[name]

        def sample() -> float:
            sync()
            began = perf_counter()
            for _ in range(count):
                step()
            sync()
            return (perf_counter() - began) / count

        return sample

    cases = {name: case(name) for name in steps}
    samples: dict[str, Sample] = {}
    for done, samples in interleave(cases, repeats):
        costs = {name: Cost(sample, float("nan")) for name, sample in samples.items()}
        yield f"round {done} of {repeats}", costs
    problem.sync = textbook.sync = sync
    shares: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(TIMED):
        for name, (_, count) in steps.items():
            problem.forward_seconds = textbook.forward_seconds = 0.0
            seconds = cases[name]() * count
            inside = problem.forward_seconds + textbook.forward_seconds
            shares[name].append(inside / seconds)
    yield "done", {n: Cost(s, Sample(tuple(shares[n])).median) for n, s in samples.items()}


def build(setup: Setup) -> tuple[PreTrainedModel, Batch]:
    """The model, and random tokens with two label words of one token each."""
    import torch

    from zobench.objectives.llm import models
    from zobench.objectives.llm.batches import Batch, LabelWords, room

    for name in ("layers", "hidden", "vocab", "heads", "batch", "tokens"):
        if getattr(setup, name) < 1:
            raise BadInput(f"{name} is a number of at least 1, not {getattr(setup, name)}")
    if setup.model:
        model, _ = models.load(setup.model, setup.device, setup.dtype)
    else:
        shape = setup.layers, setup.hidden, setup.vocab, setup.heads
        model = models.random_opt(*shape, dtype=setup.dtype, device=setup.device)
    if setup.tokens >= room(model):
        raise BadInput(f"tokens must be below {room(model)} for this model, not {setup.tokens}")
    vocab = int(model.get_input_embeddings().weight.shape[0])  # pyright: ignore
    draw = torch.Generator().manual_seed(0)
    place = models.as_device(setup.device)
    ids = torch.randint(3, vocab, (setup.batch, setup.tokens), generator=draw).to(place)
    labels = torch.randint(2, (setup.batch,), generator=draw).to(place)
    positions = torch.arange(setup.tokens, device=place).expand(setup.batch, -1)
    words = LabelWords(torch.tensor([[vocab - 1], [vocab - 2]], device=place), (1, 1))
    return model, Batch(ids, torch.ones_like(ids), positions, labels, words)


def _stepper(name: str, settings: dict[str, Any], problem: FixedBatch) -> Callable[[], None]:
    """A registered estimator on the model, ready to step, with its own view of the weights."""
    own = FixedBatch(problem.model, problem.batch)
    own.loss = problem.loss  # one meter for all
    estimator: Estimator = estimators[name].build({"lr": LR, "eps": EPS} | settings)
    estimator.start(own.start(0), 0)
    oracle = Oracle(own, ENOUGH, 0)
    return lambda: estimator.step(oracle)


class TextbookSteps:
    """The yardstick with the same meter of its forward passes."""

    def __init__(self, model: PreTrainedModel, batch: Batch) -> None:
        from zobench.bench.textbook import TextbookMeZO

        inner = TextbookMeZO(model, batch, LR, EPS)
        self.step, self._loss = inner.step, inner.loss
        inner.loss = self.loss
        self.forward_seconds = 0.0
        self.sync: Callable[[], object] = _nothing

    def loss(self) -> float:
        self.sync()
        began = perf_counter()
        value = self._loss()
        self.forward_seconds += perf_counter() - began
        return value


def _nothing() -> None:
    pass
