"""A small regression and what the tests of zobench.optim share."""

from __future__ import annotations

import torch
from torch import nn

DRAW = torch.Generator().manual_seed(1)
X = torch.randn(64, 4, generator=DRAW)
Y = (X[:, :1] - X[:, 1:2]).sin()


def net(dtype: torch.dtype = torch.float32, width: int = 16) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Linear(4, width), nn.Tanh(), nn.Linear(width, width), nn.Linear(width, 1)
    return nn.Sequential(*layers).to(dtype)


def loss_of(model: nn.Module):
    """A closure: the mean squared error over all rows, in float32."""
    dtype = next(model.parameters()).dtype
    return lambda: ((model(X.to(dtype)).float() - Y) ** 2).mean()


def raw(model: nn.Module) -> torch.Tensor:
    """The weights as they lie in memory: no method is asked that would flush."""
    parts = [p for part in _parts(model) for p in part.__dict__["_parameters"].values()]
    return torch.cat([p.detach().reshape(-1).float() for p in parts if p is not None])


def _parts(module: nn.Module):
    yield module
    for child in module.__dict__["_modules"].values():
        yield from _parts(child)
