"""Prefix reuse: compute the layers below the first one that a call's probes move once.

Probes of one call share a minibatch. A block-coordinate probe moves a few late layers; everything
before them gives the same activations for every probe. The first probe runs the whole model and
stores what enters the first moved layer, and the others start there. Their losses are the same to
the last bit, at (L - k) / L of a forward pass for a first moved layer k of L.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from zobench.core.directions import Direction, Noise, Restricted, terms_of
from zobench.core.fixed import key
from zobench.core.params import Params
from zobench.engine.groups import any_layers, depths
from zobench.engine.wrapping import ModuleForward, Wrapper, wrapped


class SharedLayers:
    """What the probes of one call have in common: the layers that run before the first moved one.

    It is called before each probe. It knows which probe of the call is under way, and how many
    forward passes that probe has made.
    """

    def __init__(self, skipped: int = 0, layers: int = 1) -> None:
        """Begin a call. `skipped` of the model's `layers` are shared; by default none."""
        self.skipped, self.cost_of_later = skipped, 1 - skipped / layers
        self.outputs: list[Any] = []  # of layer `skipped - 1`, in the order of forward passes
        self.probe = self.passes = 0

    def __call__(self) -> float:
        """Begin the next probe, and return its cost in forward passes."""
        self.probe, self.passes = self.probe + 1, 0
        return 1.0 if self.probe == 1 else self.cost_of_later

    def restart(self) -> None:
        """Begin the same probe once more."""
        self.passes = 0
        if self.probe == 1:
            self.outputs = []

    def stand_in(self, outputs: Sequence[Any]) -> None:
        """Take the outputs of forward passes that were replayed from a recording."""
        self.outputs, self.passes = [*outputs], len(outputs)

    def wrappers(self, layers: Sequence[nn.Module]) -> Iterator[tuple[nn.Module, Wrapper]]:
        """Yield the shared layers, and for each what runs instead of its forward."""
        for index, layer in enumerate(layers[: self.skipped]):
            yield layer, self._last if index == self.skipped - 1 else self._earlier

    def _last(self, forward: ModuleForward) -> ModuleForward:
        def run(*args: Any, **kwargs: Any) -> Any:
            if self.probe == 1:
                self.outputs.append(forward(*args, **kwargs))
            self.passes += 1
            return self.outputs[self.passes - 1]

        return run

    def _earlier(self, forward: ModuleForward) -> ModuleForward:
        def run(*args: Any, **kwargs: Any) -> Any:
            if self.probe == 1:
                return forward(*args, **kwargs)
            if self.passes == len(self.outputs):
                raise RuntimeError("a probe made more forward passes than the first one did")
            return self.outputs[self.passes]

        return run


class Prefix:
    """The layers of a model in the order in which they run, and the depth of each block.

    `depth[i]` is the number of layers that run before block i is read (0: an embedding; the number
    of layers: what follows them).
    """

    def __init__(self, layers: Sequence[nn.Module], depth: Sequence[int]) -> None:
        self.layers, self.depth = layers, depth
        self._order = sorted(range(len(depth)), key=depth.__getitem__)

    @classmethod
    def of(cls, model: nn.Module, params: Params) -> Prefix:
        """Return the prefix of a model; of one without a list of layers it is empty."""
        return cls(any_layers(model), depths(model, [block.name for block in params.blocks]))

    def first_moved(self, params: Params, directions: Sequence[Direction]) -> int:
        """Return how many layers run before the first block that one of the directions touches."""
        distinct = {key(direction): direction for direction in directions}.values()
        for index in self._order:
            block = params.blocks[index]
            if any(True for d in distinct for _ in terms_of(d, block)):
                return self.depth[index]
        return len(self.layers)

    def holds(self, params: Params, loss: Callable[[SharedLayers], Any]) -> bool:
        """Return True if a loss that starts in the middle equals the whole one, to the last bit.

        It does not where layers read more of earlier ones than their output (shared keys and
        values).
        """
        middle = [i for i in self._order if 0 < self.depth[i] <= len(self.layers) // 2]
        if not middle:
            return True
        active = frozenset(i for i in middle if self.depth[i] == self.depth[middle[-1]])
        with self.shared(params, [Restricted(Noise(0), active)] * 2) as shared:
            values = [(shared(), loss(shared))[1] for _ in range(2)]
        return bool(values[0] == values[1])

    @contextmanager
    def shared(self, params: Params, directions: Sequence[Direction]) -> Iterator[SharedLayers]:
        """Inside, the layers that no probe of the call moves run for the first probe only.

        Gives the object that is to be called before each probe.
        """
        several = len(directions) > 1 and len(self.layers) > 0
        skipped = self.first_moved(params, directions) if several else 0
        shared = SharedLayers(skipped, len(self.layers) or 1)
        with wrapped(shared.wrappers(self.layers)):
            yield shared
