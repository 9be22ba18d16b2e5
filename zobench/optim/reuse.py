"""Prefix reuse for a user's closure, measured on the closure itself and checked before use.

One evaluation shows which layers run before a weight is read; names do not matter. Random draws do
not change: after layers that are left out, the generators go on from the states in which those
layers left them. The closure must run the model once per call (several passes: micro_batches),
on the same data in all calls of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from zobench.core.directions import Direction, Noise, Restricted
from zobench.engine.draws import SameDraws
from zobench.engine.entering import Entering
from zobench.engine.groups import layers
from zobench.engine.prefix import Prefix, SharedLayers
from zobench.engine.reads import Reads
from zobench.engine.tensors import TensorParams
from zobench.engine.wrapping import ModuleForward, Wrapper, wrapped
from zobench.errors import BadInput
from zobench.optim.closure import ClosureEvaluator
from zobench.optim.engine import Engine
from zobench.optim.trained import TrainedTensors


class Reuse:
    """Computes the layers below the first one that a step's probes move once per step.

    Of steps that share a minibatch, it computes them once, as far as they have not moved since.
    """

    def __init__(self, trained: TrainedTensors, weights: TensorParams, engine: Engine) -> None:
        """Find the layers. Raises BadInput if there are none, or if each probe moves them all."""
        model = trained.model
        if not engine.by_blocks:
            raise BadInput(
                f"reuse_prefix saves nothing with {engine.entry.name}, whose probes move all "
                "layers: take a block-coordinate method, such as mezo-bcd"
            )
        if model is None:
            raise BadInput("reuse_prefix needs the module whose layers it leaves out: give model=")
        try:
            self.layers = layers(model)
        except BadInput:
            raise BadInput(
                f"reuse_prefix: {type(model).__name__} has no list of layers (nn.ModuleList) that "
                "run one after the other"
            ) from None
        if any(isinstance(layer, torch.jit.ScriptModule) for layer in self.layers):
            raise BadInput("reuse_prefix cannot leave out layers that torch.jit compiled")
        self.tensors, self.params = trained.tensors, weights
        self.prefix: Prefix | None = None
        self.entering = Entering(self.layers, lambda: weights.realisation.is_testing)
        self._before: list[torch.Tensor] = []  # what the first layer's input is made of
        self._batch: int | None = None
        self._marks: list[int] = []  # of those tensors, when the minibatch was new

    def prepare(self, evaluate: ClosureEvaluator) -> None:
        """Find the depth of each weight. Raises BadInput if a loss cannot begin in the middle."""
        if evaluate.doubts.repeat:
            evaluate.doubts.compare(evaluate.rest(), evaluate.rest())
        prefix = self.prefix = Prefix(self.layers, self._depths(evaluate.first))
        inside = {id(p) for layer in self.layers for p in layer.parameters()}
        self._before = [
            tensor
            for tensor, depth in zip(self.tensors, prefix.depth)
            if depth == 0 and id(tensor) not in inside
        ]
        depths = sorted({depth for depth in prefix.depth if depth})
        for depth in {depths[k] for k in (0, len(depths) // 2, -1)} if depths else ():
            active = frozenset(i for i, at in enumerate(prefix.depth) if at == depth)
            with self.shared([Restricted(Noise(0), active)] * 2, evaluate.draws) as shared:
                values = [(shared(), evaluate.rest_of(shared))[1] for _ in range(2)]
            if values[0] != values[1] and values[0] == values[0]:
                raise BadInput(
                    f"reuse_prefix: the loss is another one when the first {depth} layers are left "
                    "out: later layers read more of them than their output"
                )

    def _depths(self, loss: Callable[[], Any]) -> list[int]:
        """Return how many layers have run when each tensor is first read; 0 if it is not read."""
        ran, first = 0, {}

        def counted(index: int) -> Wrapper:
            def wrapper(forward: ModuleForward) -> ModuleForward:
                def run(*args: Any, **kwargs: Any) -> Any:
                    nonlocal ran
                    if ran != index:
                        raise _several()
                    output = forward(*args, **kwargs)
                    ran += 1
                    return output

                return run

            return wrapper

        def note(tensor: torch.Tensor) -> None:
            first.setdefault(id(tensor), ran)

        counting = ((layer, counted(index)) for index, layer in enumerate(self.layers))
        with wrapped(counting), Reads(self.tensors, note):
            loss()
        if ran != len(self.layers):
            raise _several()
        return [first.get(id(tensor), 0) for tensor in self.tensors]

    @contextmanager
    def shared(self, directions: Sequence[Direction], draws: SameDraws) -> Iterator[SharedLayers]:
        """Inside are the probes of a call. The value is called before each of them."""
        prefix, states = self.prefix, []
        assert prefix is not None
        with prefix.shared(self.params, directions) as shared:

            def continued(forward: ModuleForward) -> ModuleForward:
                def run(*args: Any, **kwargs: Any) -> Any:
                    output = forward(*args, **kwargs)
                    if shared.probe == 1:
                        states.append(draws.states())
                    else:
                        draws.put(states[shared.passes - 1])
                    return output

                return run

            last = self.layers[: shared.skipped][-1:]  # none where no layer is shared
            with wrapped((layer, continued) for layer in last):
                yield shared

    @contextmanager
    def kept(
        self, directions: Sequence[Direction], batch: int | None, draws: SameDraws
    ) -> Iterator[None]:
        """Inside are the probes of a call on a minibatch that later calls may share.

        Layers below the probes run only if they did not yet run on it with the same weights.
        """
        prefix = self.prefix
        assert prefix is not None
        if batch is None:
            yield
            return
        if batch != self._batch:
            self._batch, self._marks = batch, [t._version for t in self._before]

        def other() -> None:
            moved = self._marks != [t._version for t in self._before]
            if not moved and not draws.has_drawn():
                raise BadInput(
                    "share_batch: the closure gave another minibatch in the middle of a sweep; "
                    "take a fresh one only where is_same_batch of the optimizer is False"
                )

        self.entering.other = other
        with self.entering.call(batch, prefix.first_moved(self.params, directions)):
            yield

    def forget(self) -> None:
        """Drop what is kept of a minibatch."""
        self._batch = None
        self.entering.forget()

    @staticmethod
    def check_passes(shared: SharedLayers, calls: int) -> None:
        """Raise BadInput unless the shared layers ran once in each of `calls` calls of a probe."""
        if shared.skipped and shared.passes != calls:
            raise _several()


def _several() -> BadInput:
    return BadInput(
        "reuse_prefix: the layers must run one after the other, once in each call of the closure; "
        "for several passes give micro_batches"
    )
