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
from zobench.core.fixed import key
from zobench.core.params import Params
from zobench.engine.wrapping import Forward, wrapped


class Prefix:
    """The layers of a model in the order in which they run, and the layer of each block.

    `depth[i]` is the number of layers that run before block i is read (0: an embedding; the number
    of layers: what follows them).
    """

    def __init__(self, layers: Sequence[nn.Module], depth: Sequence[int]) -> None:
        self.layers, self.depth = layers, depth
        self._order = sorted(range(len(depth)), key=depth.__getitem__)
        self.now: Shared | None = None  # of the call that is under way, if its probes share layers

    def first_moved(self, params: Params, directions: Sequence[Direction]) -> int:
        """How many layers run before the first block that one of the directions touches."""
        distinct = {key(direction): direction for direction in directions}.values()
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
        now = Shared(skipped, 1 - skipped / len(self.layers))

        def last(forward: Forward) -> Forward:
            def run(*args: Any, **kwargs: Any) -> Any:
                if now.probe == 1:
                    now.kept.append(forward(*args, **kwargs))
                now.passes += 1
                return now.kept[now.passes - 1]

            return run

        def earlier(forward: Forward) -> Forward:
            def run(*args: Any, **kwargs: Any) -> Any:
                if now.probe == 1:
                    return forward(*args, **kwargs)
                if now.passes == len(now.kept):
                    raise RuntimeError("a probe made more forward passes than the first one did")
                return now.kept[now.passes]

            return run

        try:
            self.now = now
            with wrapped(
                (layer, last if index == skipped - 1 else earlier)
                for index, layer in enumerate(self.layers[:skipped])
            ):
                yield now
        finally:
            self.now = None


class Shared:
    """What the probes of a call have in common: what the layers give that none of them moves."""

    def __init__(self, skipped: int, later: float) -> None:
        self.skipped, self.later = skipped, later  # layers; the cost of a probe after the first
        self.kept: list[Any] = []  # what leaves layer `skipped - 1`, in the order of forward passes
        self.probe = self.passes = 0

    def __call__(self) -> float:
        """The next probe begins: its cost in forwards."""
        self.probe, self.passes = self.probe + 1, 0
        return 1.0 if self.probe == 1 else self.later

    def again(self) -> None:
        """The probe begins once more."""
        self.passes = 0
        if self.probe == 1:
            self.kept = []
