"""Prefix reuse: layers below the first one that a call's probes move are computed once.

Probes of one call share a minibatch. A block-coordinate probe moves a few late layers; everything
before them gives the same activations for every probe. The first probe runs the whole model and
keeps what enters the first moved layer, the others start there: the same numbers to the last bit,
at (L - k) / L of a forward for a first moved layer k of L.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from zobench.core.directions import Direction, Noise, Restricted
from zobench.core.params import Params
from zobench.core.wrapping import Forward, wrapped


class Prefix:
    """The layers of a model in the order in which they run, and the layer of each block.

    `depth[i]` is the number of layers that run before block i is read (0: an embedding; the number
    of layers: what follows them).
    """

    def __init__(self, layers: Sequence[nn.Module], depth: Sequence[int]) -> None:
        self.layers, self.depth = layers, depth
        self._order = sorted(range(len(depth)), key=depth.__getitem__)

    def first_moved(self, params: Params, directions: Sequence[Direction]) -> int:
        """How many layers run before the first block that one of the directions touches."""
        distinct = list(dict.fromkeys(directions))
        for index in self._order:
            block = params.blocks[index]
            if any(True for d in distinct for _ in d.expand(block)):
                return self.depth[index]
        return len(self.layers)

    def holds(self, params: Params, loss: Callable[[], Any]) -> bool:
        """Does a loss that starts in the middle equal the whole one, to the last bit?

        Not where layers read more of earlier ones than their output (shared keys and values).
        """
        middle = [i for i in self._order if 0 < self.depth[i] <= len(self.layers) // 2]
        if not middle:
            return True
        active = frozenset(i for i in middle if self.depth[i] == self.depth[middle[-1]])
        with self.shared(params, [Restricted(Noise(0), active)] * 2) as next_probe:
            values = [(next_probe(), loss())[1] for _ in range(2)]
        return bool(values[0] == values[1])

    @contextmanager
    def shared(
        self, params: Params, directions: Sequence[Direction]
    ) -> Iterator[Callable[[], float]]:
        """Gives `next_probe()`, to be called before each probe: its cost in forwards.

        All forward passes inside must be on the same inputs, in the same order for every probe.
        """
        skipped = self.first_moved(params, directions) if self.layers else 0
        if not skipped or len(directions) < 2:
            yield lambda: 1.0
            return
        kept: list[Any] = []  # what leaves layer `skipped - 1`, in the order of forward passes
        state = _State()

        def last(forward: Forward) -> Forward:
            def run(*args: Any, **kwargs: Any) -> Any:
                if state.probe == 1:
                    kept.append(forward(*args, **kwargs))
                state.passes += 1
                return kept[state.passes - 1]

            return run

        def earlier(forward: Forward) -> Forward:
            def run(*args: Any, **kwargs: Any) -> Any:
                if state.probe == 1:
                    return forward(*args, **kwargs)
                if state.passes == len(kept):
                    raise RuntimeError("a probe made more forward passes than the first one did")
                return kept[state.passes]

            return run

        def next_probe() -> float:
            state.probe, state.passes = state.probe + 1, 0
            return 1.0 if state.probe == 1 else 1 - skipped / len(self.layers)

        with wrapped(
            (layer, last if index == skipped - 1 else earlier)
            for index, layer in enumerate(self.layers[:skipped])
        ):
            yield next_probe


class _State:
    probe = passes = 0
