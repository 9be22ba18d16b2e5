"""The problem behind all large synthetic objectives: a function of a tensor, moved in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from zobench.core.directions import Probe
from zobench.core.problem import InPlaceProblem, Losses, seed_per_probe
from zobench.engine.tensors import TensorParams
from zobench.errors import BadInput, unknown
from zobench.objectives.synthetic._basis import Basis
from zobench.objectives.synthetic._function import ChunkedFunction
from zobench.objectives.synthetic._noise import LossNoise, apply_noise
from zobench.objectives.synthetic._settings import BlockSettings, TensorSettings

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Layout:
    """How the point is stored: one buffer, split into blocks, each of which is a group."""

    shapes: tuple[tuple[int, ...], ...]
    dtype: torch.dtype
    device: torch.device

    def params(self, flat: torch.Tensor) -> TensorParams:
        """Return the blocks of a buffer, shape (d,)."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        pieces = torch.split(flat, sizes)
        blocks = [(f"x{i}", p.view(s)) for i, (p, s) in enumerate(zip(pieces, self.shapes))]
        return TensorParams(blocks)


def layout(dim: int, split: BlockSettings, storage: TensorSettings) -> Layout:
    """The layout of these settings. Raises BadInput for an unknown dtype or device."""
    dtype, device = storage.dtype, storage.device
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        cause = str(error).partition("\n")[0]
        raise BadInput(f"cannot use device {device!r} (such as 'cpu', 'cuda'): {cause}") from error
    return Layout(split.shapes(dim), DTYPES[dtype], torch.device(device))


class TensorProblem(InPlaceProblem):
    """The function f(Q' x) over one buffer x, whose noise-free values are free, as `seen`.

    The gap is (f - minimum) / span: 1 at the start, 0 at the optimum. Noise acts on the gap, so
    its level is relative to the distance between start and optimum.
    """

    score_name = "gap"

    def __init__(
        self,
        function: ChunkedFunction,
        basis: Basis,
        layout: Layout,
        noise: LossNoise | None = None,
    ) -> None:
        self.function, self.basis, self.layout, self.noise = function, basis, layout, noise
        self.minimum = function.minimum
        self._gaps: list[float] = []
        apply_noise(self, noise)

    def start(self, seed: int) -> TensorParams:
        self.x = torch.empty(0)  # the last start is freed before this one takes memory
        y = self._like_y(self.function.size)
        self.function.fill_start(y, seed)
        self.x = self.basis.point(y).to(self.layout.dtype)
        self.params = self.layout.params(self.x)
        self.reset_meters()
        return self.params

    def losses(self, probes: Sequence[Probe], seed: int) -> Losses:
        self._gaps = gaps = []
        losses = super().losses(probes, seed)
        self.samples += len(probes)
        self.probe_scores, self._gaps = gaps, []
        return losses

    def loss(self, seed: int) -> float:
        gap = self._gap()
        self._gaps.append(gap)
        return self.minimum + self.function.span * self._noisy(gap, seed)

    def probe_seed(self, seed: int, k: int) -> int:
        fresh = self.noise is not None and self.noise.kind == "fresh"
        return seed_per_probe(seed, k) if fresh else seed

    def score(self) -> dict[str, float]:
        self.params.flush()
        gap = self._gap()
        return {"gap": gap, "loss": self.minimum + self.function.span * gap}

    def gradient(self, seed: int) -> tuple[float, Sequence[torch.Tensor]]:
        """Return (f, its exact gradient, flat for each block), without noise."""
        self.params.flush()
        y = self.basis.coordinates(self.x)
        loss = self.function.value(y)
        g = self.basis.point(self.function.slope(y)).to(self.layout.dtype)
        self.samples += 1
        self.forwards += 3  # a backward pass costs about two forwards
        self.probe_scores = [(loss - self.minimum) / self.function.span]
        return loss, [g[b.start : b.start + b.size] for b in self.params.blocks]

    def optimum(self) -> torch.Tensor:
        """Return a minimiser x*, shape (dim,), a new tensor."""
        y = self._like_y(self.function.size)
        self.function.fill_optimum(y)
        return self.basis.point(y).to(self.layout.dtype)

    def describe(self) -> dict[str, Any]:
        kind = str(self.layout.dtype).removeprefix("torch.")
        placement = {"dtype": kind, "device": str(self.layout.device), "realisation": "walk"}
        return super().describe() | placement | self.function.facts()

    def _gap(self) -> float:
        value = self.function.value(self.basis.coordinates(self.x))
        return (value - self.minimum) / self.function.span

    def _noisy(self, gap: float, seed: int) -> float:
        if self.noise is None:
            return gap
        frozen = self.noise.kind == "frozen"  # only this kind depends on the bits of the point
        point = self.x.view(torch.uint8).cpu().numpy() if frozen else np.empty(0)
        return float(self.noise(np.array([gap]), point[None], seed)[0])

    def _like_y(self, size: int) -> torch.Tensor:
        exact = self.layout.dtype == torch.float64
        kind = torch.float64 if exact else torch.float32
        return torch.empty(size, dtype=kind, device=self.layout.device)
