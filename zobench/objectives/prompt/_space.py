"""The map from a point to soft prompts: in full space, or by a fixed random projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass
class Space:
    """The map from a point x to a prompt, one vector x_l per depth l.

        prompt_l = start_l + scale_l * x_l,   or   start_l + scale_l / sqrt(d) * G x_l,  G ~ N(0, 1)

    The second is p = p0 + A z of black-box tuning (arXiv:2201.03514), where entries of A have
    deviation alpha * std(embeddings) / (sqrt(d) sigma). Here sigma belongs to the estimator. In
    both forms, an x of deviation 1 moves every entry of a prompt by the deviation `scale`.
    """

    start: torch.Tensor  # (depth, tokens, width)
    scales: list[float]  # one per depth
    matrices: torch.Tensor | None = None  # (depth, tokens * width, intrinsic), scales included

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the blocks: one per depth, or one per token in full space at depth 1."""
        depth, tokens, width = self.start.shape
        if self.matrices is not None:
            return [(self.matrices.shape[2],)] * depth
        return [(tokens, width)] * depth if depth > 1 else [(width,)] * tokens

    @property
    def names(self) -> list[str]:
        """Names of the blocks, which are groups."""
        kind = "token" if self.matrices is None and len(self.start) == 1 else "layer"
        return [f"{kind}{i}" for i in range(len(self.shapes))]

    def prompts(self, points: np.ndarray) -> torch.Tensor:
        """Return the prompts (n, depth, tokens, width) of points (n, d)."""
        import torch

        x = torch.tensor(points, dtype=torch.float32, device=self.start.device)
        if self.matrices is None:
            scale = torch.tensor(self.scales, device=x.device)[:, None, None]
            return self.start + scale * x.view(-1, *self.start.shape)
        z = x.view(len(x), len(self.start), -1).transpose(0, 1)  # (depth, n, intrinsic)
        move = (z @ self.matrices.transpose(1, 2)).transpose(0, 1)
        return self.start + move.reshape(-1, *self.start.shape)


def make(
    start: torch.Tensor, scales: list[float], intrinsic: int, rng: np.random.Generator
) -> Space:
    """Make the space around `start` with `intrinsic` coordinates per depth (0: full space)."""
    import torch

    if not intrinsic:
        return Space(start, scales)
    depth, tokens, width = start.shape
    matrices = torch.empty(depth, tokens * width, intrinsic)
    for matrix, scale in zip(matrices, scales):
        drawn = rng.standard_normal((tokens * width, intrinsic), np.float32)
        matrix.copy_(torch.from_numpy(drawn)).mul_(scale * intrinsic**-0.5)
    return Space(start, scales, matrices.to(start.device))


def clipped_deviation(values: torch.Tensor, rounds: int = 5) -> float:
    """Return the deviation after `rounds` clippings to three deviations about the mean.

    It is BBTv2's, for states with a few huge entries.
    """
    values = values.float()
    for _ in range(rounds):
        mean, deviation = values.mean(), values.std()
        values = values.clamp(mean - 3 * deviation, mean + 3 * deviation)
    return float(values.std())
