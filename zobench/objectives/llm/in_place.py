"""The label loss of a language model at probes: realised, with shared layers and recordings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from zobench.core.directions import Direction, Probe
from zobench.core.in_place import evaluate_in_place
from zobench.core.problem import InPlaceProblem, Losses

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from zobench.engine.entering import Entering
    from zobench.engine.prefix import SharedLayers
    from zobench.engine.tensors import TensorParams
    from zobench.objectives.llm.batches import Batch, LabelWords


class LabelLoss(InPlaceProblem):
    """A language model moved in place; a query is its loss over label words on a minibatch."""

    params: TensorParams
    net: PreTrainedModel
    entering: Entering | None

    def __init__(self, realisation: str, graphs: str, micro_batch: int = 0) -> None:
        """`graphs`: "auto", "on" or "off". `micro_batch`: rows per forward pass, 0 for all."""
        self.realisation, self.recorded, self.micro_batch = realisation, graphs, micro_batch

    def realise(
        self, net: PreTrainedModel, words: LabelWords, width: int, rounding: int | None = None
    ) -> TensorParams:
        """Make the params, the prefix that probes share, and the recordings of the losses.

        `width`: tokens of the longest row. `rounding`: a seed of stochastic rounding to 16 bits.
        """
        from zobench.engine.prefix import Prefix
        from zobench.engine.realise import realise
        from zobench.objectives.llm.recorders import graphs

        self.net = net
        self.params = realise(net, self.realisation, rounding=rounding)
        self.prefix = Prefix.of(net, self.params)
        self.entering = None
        self._batch_seed: int | None = None
        self.graphs = graphs(self.recorded, self.realisation, net, self.micro_batch, words, width)
        return self.params

    @abstractmethod
    def minibatch(self, seed: int) -> Batch:
        """Return the rows of `seed`. All probes of a call share them."""

    def sharing(self, directions: Sequence[Direction]) -> AbstractContextManager[SharedLayers]:
        """Share the layers that no direction moves, within the with statement."""
        return self.prefix.shared(self.params, directions)

    def losses(self, probes: Sequence[Probe], seed: int) -> Losses:
        """Return the losses at the probes as Python numbers."""
        return self.evaluate(probes, seed, lambda loss: loss.item())

    def losses_on_device(self, probes: Sequence[Probe], seed: int) -> Losses:
        """Return the losses at the probes without waiting for the device."""
        from zobench.objectives.llm import masks

        def stay(loss: torch.Tensor) -> float:
            return loss if masks.waits(loss) else loss.item()  # pyright: ignore[reportReturnType]

        return self.evaluate(probes, seed, stay)

    @contextmanager
    def kept(self, directions: Sequence[Direction], seed: int) -> Iterator[None]:
        """Within the with statement, what entered the layers in earlier calls of `seed` is kept.

        Nothing is kept until a seed comes a second time in a row, nor beside recorded losses.
        """
        from zobench.engine.entering import Entering

        before, self._batch_seed = self._batch_seed, seed
        if self.entering is None and self.stochastic and seed == before:
            params = self.params
            self.entering = Entering(self.prefix.layers, lambda: params.realisation.is_testing)
        entering = self.entering
        if entering is None or self.graphs.recorder is not None:
            yield
            return
        with entering.call(seed, self.prefix.first_moved(self.params, directions)):
            yield
        if entering.passes:
            self.forwards -= entering.skipped / (len(self.prefix.layers) * entering.passes)

    def evaluate(
        self, probes: Sequence[Probe], seed: int, as_given: Callable[[torch.Tensor], float]
    ) -> Losses:
        """Return the losses at the probes; `as_given` converts each tensor to its returned form."""
        directions = [direction for _, direction in probes]
        with self.kept(directions, seed), self.sharing(directions) as shared:

            def loss(_: int, cost: float) -> float:
                self.forwards += cost
                return as_given(self.label_loss(seed, shared))

            return evaluate_in_place(self.params, probes, loss, shared)

    def loss(self, seed: int) -> float:
        """Return the loss of the minibatch of `seed` at the current point."""
        from zobench.engine.prefix import SharedLayers

        return self.label_loss(seed, SharedLayers()).item()

    def label_loss(self, seed: int, shared: SharedLayers) -> torch.Tensor:
        """Return the loss at the current point, a tensor on its device.

        `shared`: the layers that the probes of the call share.
        """
        import torch

        from zobench.objectives.llm.memory import explained

        batch = self.minibatch(seed)
        with torch.inference_mode(), explained(self.net, batch, self.micro_batch):
            return self.graphs.loss(batch, shared)
