"""Caches of torch that hold values of the weights for longer than a step."""

import torch
from torch.nn.utils import parametrize


def forget() -> None:
    """Drop the 16-bit copies of autocast and the values of parametrisations: the weights moved.

    Both live until their outermost context ends, which may be around the step, or around all.
    """
    torch.clear_autocast_cache()
    parametrize._cache.clear()
