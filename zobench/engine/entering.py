"""What entered the layers of a model in earlier calls, for calls on the same minibatch.

A layer of the prefix need not run again if its input is that of an earlier call and no earlier
layer has moved since. Both are checked: the first layer's input by its values, and the weights by
their versions. So it does not matter in which order groups move. From the last layer to the first,
the prefix runs once per minibatch.

Layers that draw random numbers or write buffers run in each call, and so do those after them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten

from zobench.engine.draws import SameDraws
from zobench.engine.given import Given
from zobench.engine.wrapping import ModuleForward, Wrapper, wrapped

Marks = list[tuple[int, int]]  # address and version of each tensor of a layer


@dataclass
class KeptPass:
    """The outputs of the first layers in one forward pass."""

    given: Given  # the input of the first layer
    outputs: list[Any] = field(default_factory=list)
    marks: list[Marks] = field(default_factory=list)  # of the weights that made each output
    is_closed: bool = False  # True if the next layer cannot be kept


class Entering:
    """Keeps what enters the layers below those that the probes of a call move.

    Attributes:
        skipped: layers that did not run in the present call, because their outputs were kept.
        passes: forward passes in the present call that ran the first layer, or would have.
        other: is called if the input of the first layer is not a kept one, on a kept minibatch.
    """

    def __init__(self, layers: Sequence[nn.Module], is_testing: Callable[[], bool]) -> None:
        """`is_testing` returns True while forwards run for a test, with other weights."""
        self.layers, self.is_testing = layers, is_testing
        self.other: Callable[[], None] = _nothing
        self.skipped = self.passes = 0
        self._batch: Hashable = None
        self._kept: list[KeptPass] = []
        self._is_first = True  # True in the first call on a minibatch that keeps anything
        self._reads_keys = False  # True if a pass reads what layers kept in another one
        self._now: KeptPass | None = None
        devices = {t.device for layer in layers for t in layer.parameters()}
        self._draws = SameDraws(sorted(devices, key=str))

    @contextmanager
    def call(self, batch: Hashable, below: int) -> Iterator[None]:
        """Inside is a call on a minibatch, whose probes move none of the first `below` layers."""
        if batch != self._batch:
            self.forget()
            self._batch = batch
        self.skipped = self.passes = 0
        self._is_first = not self._kept
        with nullcontext() if self._reads_keys else wrapped(self._wrappers(below)):
            yield

    def forget(self) -> None:
        """Drop all that is kept."""
        self._kept, self._now, self._batch = [], None, None

    def _wrappers(self, below: int) -> Iterator[tuple[nn.Module, Wrapper]]:
        for index, layer in enumerate(self.layers[:below]):
            yield layer, lambda forward, k=index: self._wrapper(k, forward)

    def _wrapper(self, index: int, forward: ModuleForward) -> ModuleForward:
        def run(*args: Any, **kwargs: Any) -> Any:
            if self.is_testing():
                return forward(*args, **kwargs)
            if index == 0:
                self._begin(args, kwargs)
            now = self._now
            if now is None or now.is_closed or len(now.outputs) < index:
                return forward(*args, **kwargs)
            if index < len(now.outputs):
                self.skipped += 1
                return now.outputs[index]
            return self._run(now, self.layers[index], forward, args, kwargs)

        return run

    def _begin(self, args: Any, kwargs: Any) -> None:
        """Find the pass that had the same input, with the outputs that are still valid."""
        self.passes += 1
        leaves, form = tree_flatten((args, kwargs))
        lengths = [_kept_tokens(leaf) for leaf in leaves]
        if any(lengths):
            self._stop()
            return
        # Each forward has an empty store of keys and values of its own.
        leaves = [leaf if n is None else type(leaf).__name__ for leaf, n in zip(leaves, lengths)]
        for kept in self._kept:
            if kept.given.fits(leaves, form):
                self._now = kept
                break
        else:
            if not self._is_first:
                self.other()
            self._now = KeptPass(Given.of(leaves, form))
            self._kept.append(self._now)
        now = self._now
        for k, marks in enumerate(now.marks):
            if marks != _marks(self.layers[k]):
                del now.outputs[k:], now.marks[k:]
                break
        now.is_closed = False

    def _stop(self) -> None:
        """Keep nothing from now on: a pass reads keys and values that layers stored in another."""
        if self.skipped:
            raise RuntimeError("the loss reads keys and values of layers that were left out")
        self._reads_keys, self._kept, self._now = True, [], None

    def _run(
        self, now: KeptPass, layer: nn.Module, forward: ModuleForward, args: Any, kwargs: Any
    ) -> Any:
        marks, states = _marks(layer), self._draws.states()
        output = forward(*args, **kwargs)
        if marks == _marks(layer) and all(map(torch.equal, states, self._draws.states())):
            now.outputs.append(output)
            now.marks.append(marks)
        else:
            now.is_closed = True
        return output


def _marks(layer: nn.Module) -> Marks:
    tensors = (*layer.parameters(), *layer.buffers())
    return [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors]


def _kept_tokens(leaf: Any) -> int | None:
    """Return how many tokens a store of keys and values has; None for anything else."""
    length = getattr(leaf, "get_seq_length", None)
    return None if length is None else int(length())


def _nothing() -> None:
    pass
