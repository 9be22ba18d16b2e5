"""The subject of `zobench bench step`: a model, one batch, and a meter of forward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from zobench.errors import BadInput
from zobench.objectives.llm.in_place import LabelLoss

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from zobench.engine.prefix import SharedLayers
    from zobench.engine.tensors import TensorParams
    from zobench.objectives.llm.batches import Batch

T = TypeVar("T")
SIZES = {  # layers, width, heads of the published family (Zhang et al., 2022, table 1)
    "opt-125m": (12, 768, 12),
    "opt-1.3b": (24, 2048, 32),
    "opt-2.7b": (32, 2560, 32),
    "opt-6.7b": (32, 4096, 32),
    "opt-13b": (40, 5120, 40),
    "opt-30b": (48, 7168, 56),
}
OPT_VOCABULARY = 50272


@dataclass(frozen=True)
class Setup:
    """The model and the batch.

    An empty `model` is a random OPT of the given shape. A name in SIZES is a random OPT of that
    published size, made on the device.
    """

    model: str = ""
    layers: int = 8
    hidden: int = 256
    vocab: int = 8192
    heads: int = 4
    batch: int = 16
    tokens: int = 40
    dtype: str = "float32"
    device: str = "cpu"


class Meter:
    """Counts the seconds inside forward passes. `sync` waits for the device, if it is a GPU."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.seconds, self.clock = 0.0, clock
        self.sync: Callable[[], object] = _nothing

    def timed(self, forward: Callable[[], T]) -> T:
        """Return what `forward` returns, and add the time that it takes."""
        self.sync()  # noise that still runs on the device is not part of the forward pass
        began = self.clock()
        value = forward()
        self.sync()
        self.seconds += self.clock() - began
        return value

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Inside is noise that a forward pass makes, whose time does not count."""
        self.sync()
        began = self.clock()
        yield
        self.sync()
        self.seconds -= self.clock() - began


class FixedBatch(LabelLoss):
    """The label loss of a model on one batch."""

    def __init__(
        self,
        model: PreTrainedModel,
        batch: Batch,
        meter: Meter,
        realisation: str = "walk",
        reuse: bool = True,
        graphs: bool = False,
        law: str = "gaussian",
        shared: bool = False,
    ) -> None:
        """Set how losses are computed.

        Args:
            model: the model.
            batch: the batch.
            meter: of the forward passes.
            realisation: as of `realise`.
            reuse: let probes share layers.
            graphs: record the losses.
            law: of directions.
            shared: tell calls with different seeds apart, as if they had other rows.
        """
        super().__init__(realisation, "on" if graphs else "off")
        self.model, self.batch, self.meter, self.reuse = model, batch, meter, reuse
        self.law, self.stochastic, self.has_batches = law, shared, shared

    def start(self, seed: int) -> TensorParams:
        from zobench.engine.scratch import Scratch

        params = self.realise(self.model, self.batch.words, self.batch.ids.shape[1])
        params.law = self.law
        if isinstance(params.realisation, Scratch):
            params.realisation.making = self.meter.aside
        if not self.reuse:
            self.prefix.layers = ()
        self.graphs.patience = 0  # in the round that does not count
        self.loss(0)  # how to make the loss of this model is decided outside of any probe
        return params

    def minibatch(self, seed: int) -> Batch:
        return self.batch

    def label_loss(self, seed: int, shared: SharedLayers) -> torch.Tensor:
        return self.meter.timed(lambda: super(FixedBatch, self).label_loss(seed, shared))

    def score(self) -> dict[str, float]:
        return {"loss": self.loss(0)}


def build(setup: Setup) -> tuple[PreTrainedModel, Batch]:
    """Return the model, and random tokens with two label words of one token each.

    Raises BadInput for a model, shape or type that does not exist.
    """
    for name in ("layers", "hidden", "vocab", "heads", "batch", "tokens"):
        if getattr(setup, name) < 1:
            raise BadInput(f"{name} is a number of at least 1, not {getattr(setup, name)}")
    for name in ("layers", "hidden", "vocab", "heads") if setup.model else ():
        if getattr(setup, name) != getattr(Setup, name):
            raise BadInput(
                f"{name} is of the random OPT; {setup.model!r} has its own: leave one out"
            )
    import torch

    from zobench.objectives.llm import models
    from zobench.objectives.llm.batches import Batch, LabelWords, room

    if setup.model in SIZES:
        layers, hidden, heads = SIZES[setup.model]
        shape = layers, hidden, OPT_VOCABULARY, heads
        model = models.random_opt(*shape, dtype=setup.dtype, device=setup.device)
    elif setup.model:
        model, _ = models.load(setup.model, setup.device, setup.dtype)
    else:
        shape = setup.layers, setup.hidden, setup.vocab, setup.heads
        model = models.random_opt(*shape, dtype=setup.dtype, device=setup.device)
    if setup.tokens >= room(model):
        raise BadInput(f"tokens must be below {room(model)} for this model, not {setup.tokens}")
    vocab = int(model.get_input_embeddings().weight.shape[0])  # pyright: ignore
    draw = torch.Generator().manual_seed(0)
    device = models.as_device(setup.device)
    ids = torch.randint(vocab // 2, vocab, (setup.batch, setup.tokens), generator=draw).to(device)
    labels = torch.randint(2, (setup.batch,), generator=draw).to(device)
    positions = torch.arange(setup.tokens, device=device).expand(setup.batch, -1)
    words = LabelWords(
        torch.tensor([[vocab - 1], [vocab - 2]], device=device), (1, 1), (vocab - 1, vocab - 2)
    )
    return model, Batch(ids, torch.ones_like(ids), positions, labels, words)


def _nothing() -> None:
    pass
