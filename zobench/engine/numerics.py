"""Effects of rounding on a run: drift, lost updates, and the part of a move that is made.

Published 16-bit runs lose most of an update, and move further by failing to return from a probe
than by updating (weights of 16 bits have 3 digits). These figures measure that for a run, along
the last probes and the last move of its own estimator.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from zobench.core.directions import Dense, Direction, Probe, add_terms, terms_of
from zobench.core.fixed import locked, settled, waits
from zobench.engine.tensor_block import TensorBlock
from zobench.engine.tensors import TensorParams

SAMPLE, LEAST = 1 << 17, 64  # coordinates that stand for all: of the point, and of each block
PIECES = 4  # in which the sample of a large block lies
PAIRS = 10  # probe pairs of which the drift is measured
NAN = float("nan")


@dataclass(frozen=True)
class Numerics:
    """Figures of a run's last probes and last move; NaN if there were none.

    Attributes:
        drift: the distance from the start after the last PAIRS probe pairs and no move, in lengths
            of a probe (0 is exact).
        changed: the share that the move changes of the coordinates that it should change.
        effective: the part of the move that is made, <made, exact> / |exact|^2 (1 is exact).
    """

    drift: float
    changed: float
    effective: float

    def defined(self) -> dict[str, float]:
        """Return the figures that are not NaN."""
        return {name: value for name, value in asdict(self).items() if value == value}


@dataclass(frozen=True)
class _Added:
    scale: Any
    direction: Direction

    def make(self, trace: Trace, params: TensorParams) -> None:
        """Make the move on the sampled coordinates."""
        params.add(float(self.scale), trace.sampled(self.direction))


@dataclass(frozen=True)
class _Shrunk:
    factor: float
    blocks: frozenset[int] | None

    def make(self, trace: Trace, params: TensorParams) -> None:
        """Make the move on the sampled coordinates."""
        params.shrink(self.factor, self.blocks)


@dataclass(frozen=True)
class _Updated:
    index: int
    delta: torch.Tensor

    def make(self, trace: Trace, params: TensorParams) -> None:
        """Make the move on the sampled coordinates."""
        block = params.blocks[self.index]
        params.update(block, self.delta.to(block.tensor.device))


@dataclass(frozen=True, slots=True, eq=False)
class _Sampled(Dense):
    """A direction on the sampled coordinates."""


class Trace:
    """The last probes and moves of a run: `probed` notes probes, and the moves are observed.

    Of directions it stores the recipe, and of arrays the sampled coordinates.
    """

    def __init__(self, blocks: Sequence[TensorBlock]) -> None:
        share = max(LEAST, SAMPLE // len(blocks))
        self.blocks = [(block, _pieces(block.size, share)) for block in blocks]
        for_each = [(b.size, sum(p.stop - p.start for p in pieces)) for b, pieces in self.blocks]
        # how many coordinates each of the sample stands for
        self._weights = np.concatenate([np.full(n, size / max(1, n)) for size, n in for_each])
        # (scale, direction, True if the way back may wait for the next probe)
        self.probes: deque[tuple[float, Direction, bool]] = deque(maxlen=2 * PAIRS)
        self._moves: list[_Added | _Shrunk | _Updated] = []
        self._is_over = False  # True if there were probes after the last move

    def probed(self, probes: Sequence[Probe]) -> None:
        """Note the probes that come next. The moves before them were those of a step."""
        self._is_over, blocks = True, [block for block, _ in self.blocks]
        for scale, direction in probes[-2 * PAIRS :]:
            if scale:
                direction = settled(direction, blocks)
                self.probes.append((scale, self._replayable(direction), waits(direction)))

    def added(self, scale: Any, direction: Direction) -> None:
        """Note a move along a direction."""
        self._moved(_Added(scale, self._replayable(direction)))

    def shrunk(self, factor: float, blocks: frozenset[int] | None) -> None:
        """Note a decay of some blocks."""
        self._moved(_Shrunk(factor, blocks))

    def updated(self, block: TensorBlock, delta: torch.Tensor) -> None:
        """Note a move of a block by an array."""
        self._moved(_Updated(block.index, self._sample(block.index, delta)))

    def figures(self, rounding: int | None, apart: bool) -> Numerics:
        """Make the probes and the move again on copies, each from the present point.

        Args:
            rounding: the seed of stochastic rounding; None to round to nearest.
            apart: True if probes do not touch the weights.
        """
        start = self._copies(rounding).flat()
        walked = self._copies(rounding)
        lengths, last, sampled = [], None, _Sampled(locked(start))
        for scale, direction, waiting in self.probes:
            if direction is not last:
                last, sampled = direction, self.sampled(direction)
            lengths.append(scale**2 * self._product(sampled.vector, sampled.vector))
            if not apart:
                with walked.probed(scale, sampled):
                    pass
                if not waiting:
                    walked.flush()
        far = walked.flat() - start
        probe = float(np.mean(lengths)) if lengths else 0.0
        rounded, exact = self._copies(rounding), self._copies(None, torch.float64)
        for move in self._moves:
            move.make(self, rounded)
            move.make(self, exact)
        actual, exact_move = rounded.flat() - start, exact.flat() - start
        touched, length = (exact_move != 0).astype(float), self._product(exact_move, exact_move)
        return Numerics(
            (self._product(far, far) / probe) ** 0.5 if probe else NAN,
            self._product(actual != 0, touched) / self._product(touched, touched)
            if length
            else NAN,
            self._product(actual, exact_move) / length if length else NAN,
        )

    def _product(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the inner product over all coordinates, estimated from the sample."""
        return float((self._weights * one) @ other)

    def sampled(self, direction: Direction) -> _Sampled:
        """Return the direction on the sampled coordinates."""
        if isinstance(direction, _Sampled):
            return direction
        parts = []
        for block, pieces in self.blocks:
            terms = [(float(weight), primitive) for weight, primitive in terms_of(direction, block)]
            for piece in pieces:
                parts.append(np.zeros(piece.stop - piece.start))
                if terms:
                    add_terms(parts[-1], terms, block, piece.start)
        return _Sampled(locked(np.concatenate(parts)))

    def _replayable(self, direction: Direction) -> Direction:
        """Return the direction; of a stored vector, which is the estimator's, a sample."""
        return self.sampled(direction) if type(direction) is Dense else direction

    def _moved(self, move: _Added | _Shrunk | _Updated) -> None:
        if self._is_over:
            self._moves, self._is_over = [], False
        self._moves.append(move)

    def _sample(self, index: int, flat: torch.Tensor) -> torch.Tensor:
        return torch.cat([flat[piece] for piece in self.blocks[index][1]])

    def _copies(self, rounding: int | None, dtype: torch.dtype | None = None) -> TensorParams:
        """Return params over the sampled coordinates as they are now."""
        pieces = [(b.name, self._sample(k, b.data)) for k, (b, _) in enumerate(self.blocks)]
        return TensorParams([(name, t.to(dtype or t.dtype)) for name, t in pieces], (), rounding)


def _pieces(size: int, share: int) -> list[slice]:
    """Return all of a block of up to `share` coordinates, or spread pieces of a larger one."""
    if size <= share:
        return [slice(0, size)]
    length, gap = share // PIECES, size // PIECES
    return [slice(k * gap, k * gap + length) for k in range(PIECES)]


def resolution(loss: float, distance: float, slope: float, digits: int = 24) -> float:
    """Return the smallest difference of slopes that a loss can show, relative to `slope`.

    It is ulp(loss) / distance / |slope|. At 1, slopes are noise of rounding.

    Args:
        loss: a typical loss.
        distance: between the two points of a slope.
        slope: a typical slope.
        digits: binary digits of the loss.
    """
    ulp = 2.0 ** (np.floor(np.log2(abs(loss))) + 1 - digits) if loss else 0.0
    return float(ulp / distance / abs(slope)) if slope else float("inf")
