"""What rounding does to a run: drift, lost updates, and the length of the move that is left.

Published 16-bit runs lose most of an update, and move further by failing to return from a probe
than by updating (weights of 16 bits have 3 digits). These figures say how far a run is from that,
along the probes and the move that its own estimator last made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from zobench.core.directions import Dense, Direction, Probe, add_terms
from zobench.core.fixed import locked, waits
from zobench.engine.tensor_block import TensorBlock
from zobench.engine.tensors import TensorParams

SAMPLE, LEAST = 1 << 17, 64  # coordinates that stand for all: of the point, and of each block
PIECES = 4  # in which the sample of a large block lies
PAIRS = 10  # probe pairs of which the drift is measured
NAN = float("nan")


@dataclass(frozen=True)
class Numerics:
    """Figures of a run's last probes and last move; NaN where there was none.

    `drift`: the distance from the start after the last PAIRS probe pairs and no move, in lengths of
    a probe (0 is exact). `changed`: the share that the move changes, of the coordinates that it is
    meant to change. `effective`: the part of the move that is made, <made, meant> / |meant|^2 (1 is
    exact).
    """

    drift: float
    changed: float
    effective: float

    def known(self) -> dict[str, float]:
        """Those that are not NaN."""
        return {name: value for name, value in asdict(self).items() if value == value}


@dataclass(frozen=True)
class _Added:
    scale: Any
    direction: Direction

    def make(self, trace: Trace, params: TensorParams) -> None:
        params.add(float(self.scale), trace.seen(self.direction))


@dataclass(frozen=True)
class _Shrunk:
    factor: float
    blocks: frozenset[int] | None

    def make(self, trace: Trace, params: TensorParams) -> None:
        params.shrink(self.factor, self.blocks)


@dataclass(frozen=True)
class _Updated:
    index: int
    delta: torch.Tensor

    def make(self, trace: Trace, params: TensorParams) -> None:
        block = params.blocks[self.index]
        params.update(block, self.delta.to(block.tensor.device))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen(Dense):
    """A direction on the sampled coordinates."""


class Trace:
    """What a run last did: it is told of probes (`probed`), and observes the moves after them.

    Of directions it keeps the recipe, and of arrays the sampled coordinates.
    """

    def __init__(self, blocks: Sequence[TensorBlock]) -> None:
        share = max(LEAST, SAMPLE // len(blocks))
        self.blocks = [(block, _pieces(block.size, share)) for block in blocks]
        for_each = [(b.size, sum(p.stop - p.start for p in pieces)) for b, pieces in self.blocks]
        # how many coordinates each of the sample stands for
        self._weights = np.concatenate([np.full(n, size / max(1, n)) for size, n in for_each])
        # (scale, direction, may the way back wait for the next probe?)
        self.probes: deque[tuple[float, Direction, bool]] = deque(maxlen=2 * PAIRS)
        self._moves: list[_Added | _Shrunk | _Updated] = []
        self._over = False  # were there probes since?

    def probed(self, probes: Sequence[Probe]) -> None:
        """These probes come next: the moves before them were those of a step."""
        self._over, blocks = True, [block for block, _ in self.blocks]
        for scale, direction in probes[-2 * PAIRS :]:
            if scale:
                self.probes.append((scale, self._kept(direction), waits(direction, blocks)))

    def added(self, scale: Any, direction: Direction) -> None:
        self._moved(_Added(scale, self._kept(direction)))

    def shrunk(self, factor: float, blocks: frozenset[int] | None) -> None:
        self._moved(_Shrunk(factor, blocks))

    def updated(self, block: TensorBlock, delta: torch.Tensor) -> None:
        self._moved(_Updated(block.index, self._taken(block.index, delta)))

    def figures(self, rounding: int | None, apart: bool) -> Numerics:
        """Make the probes and the move again, each from the point as it is, on copies.

        `rounding`: the seed of stochastic rounding. `apart`: probes do not touch the weights.
        """
        start = self._copies(rounding).flat()
        walked = self._copies(rounding)
        lengths, last, seen = [], None, _Seen(locked(start))
        for scale, direction, waiting in self.probes:
            if direction is not last:
                last, seen = direction, self.seen(direction)
            lengths.append(scale**2 * self._product(seen.vector, seen.vector))
            if not apart:
                with walked.probed(scale, seen):
                    pass
                if not waiting:
                    walked.flush()
        far = walked.flat() - start
        probe = float(np.mean(lengths)) if lengths else 0.0
        rounded, exact = self._copies(rounding), self._copies(None, torch.float64)
        for move in self._moves:
            move.make(self, rounded)
            move.make(self, exact)
        made, meant = rounded.flat() - start, exact.flat() - start
        touched, length = (meant != 0).astype(float), self._product(meant, meant)
        return Numerics(
            (self._product(far, far) / probe) ** 0.5 if probe else NAN,
            self._product(made != 0, touched) / self._product(touched, touched) if length else NAN,
            self._product(made, meant) / length if length else NAN,
        )

    def _product(self, one: np.ndarray, other: np.ndarray) -> float:
        """The inner product over all coordinates, as the sample has it."""
        return float((self._weights * one) @ other)

    def seen(self, direction: Direction) -> _Seen:
        """The direction on the sampled coordinates."""
        if isinstance(direction, _Seen):
            return direction
        parts = []
        for block, pieces in self.blocks:
            terms = [(float(weight), primitive) for weight, primitive in direction.expand(block)]
            for piece in pieces:
                parts.append(np.zeros(piece.stop - piece.start))
                if terms:
                    add_terms(parts[-1], terms, block, piece.start)
        return _Seen(locked(np.concatenate(parts)))

    def _kept(self, direction: Direction) -> Direction:
        """Of a stored vector, no more than is looked at: its memory is the estimator's."""
        return self.seen(direction) if type(direction) is Dense else direction

    def _moved(self, move: _Added | _Shrunk | _Updated) -> None:
        if self._over:
            self._moves, self._over = [], False
        self._moves.append(move)

    def _taken(self, index: int, flat: torch.Tensor) -> torch.Tensor:
        return torch.cat([flat[piece] for piece in self.blocks[index][1]])

    def _copies(self, rounding: int | None, dtype: torch.dtype | None = None) -> TensorParams:
        """Params over the sampled coordinates as they are now."""
        pieces = [(b.name, self._taken(k, b.data)) for k, (b, _) in enumerate(self.blocks)]
        return TensorParams([(name, t.to(dtype or t.dtype)) for name, t in pieces], (), rounding)


def _pieces(size: int, share: int) -> list[slice]:
    """All of a block of up to `share` coordinates; of a larger one, evenly spread pieces."""
    if size <= share:
        return [slice(0, size)]
    length, gap = share // PIECES, size // PIECES
    return [slice(k * gap, k * gap + length) for k in range(PIECES)]


def resolution(loss: float, distance: float, slope: float, digits: int = 24) -> float:
    """The step between two slopes that a loss of `digits` binary digits tells apart, over `slope`.

    ulp(loss) / distance / |slope|, for losses at points so far apart: at 1, slopes are noise of
    rounding.
    """
    ulp = 2.0 ** (np.floor(np.log2(abs(loss))) + 1 - digits) if loss else 0.0
    return float(ulp / distance / abs(slope)) if slope else float("inf")
