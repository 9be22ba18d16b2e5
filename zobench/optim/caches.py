"""What torch keeps of the weights, in contexts that outlast a step, and must make again."""

import torch
from torch.nn.utils import parametrize


def forget() -> None:
    """The weights moved: drop the 16-bit copies of autocast and the values of parametrisations.

    Both live until their outermost context ends, which may be around the step, or around all.
    """
    torch.clear_autocast_cache()
    parametrize._cache.clear()
