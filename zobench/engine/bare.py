"""Parameters that a module reads itself, beside the modules that it calls.

Such are scales and shifts of a layer, position vectors, class tokens. In a sum or a product with a
batch, and where it is expanded to a batch, such a parameter is replaced by its copies, one for the
rows of each probe. So the modules that are called run for all probes together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from zobench.engine.reads import ABOUT
from zobench.engine.stacking import NotStacked

_NAMES = ("add", "sub", "mul", "div", "true_divide", "multiply", "subtract", "divide")
_OPERATORS = ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv")
BY_ELEMENT: frozenset[Any] = frozenset(
    [
        *(getattr(owner, name) for owner in (torch, torch.Tensor) for name in _NAMES),
        *(getattr(torch.Tensor, f"__{name}__") for name in _OPERATORS),
    ]
)
EXPANDS: frozenset[Any] = frozenset(
    [torch.Tensor.expand, torch.Tensor.broadcast_to, torch.broadcast_to]
)


class BareReads(TorchFunctionMode):
    """Replace parameters by their copies, wherever a function of torch is given one of them."""

    def __init__(self, parameters: Sequence[Any], stacks: Sequence[torch.Tensor]) -> None:
        """`stacks`: the copies of each parameter, shape (probes, *shape)."""
        super().__init__()
        self.stacks = {id(p): (p, stack) for p, stack in zip(parameters, stacks)}

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        places = [i for i, a in enumerate(args) if id(a) in self.stacks]
        if not places or func in ABOUT:
            return func(*args, **kwargs)
        if len(places) == 1 and not kwargs:
            (place,) = places
            if func in BY_ELEMENT and len(args) == 2 and isinstance(args[1 - place], torch.Tensor):
                return self._by_element(func, args, place)
            if func in EXPANDS and place == 0:
                return self._expanded(args)
        raise NotStacked(f"it reads a parameter of its own in {getattr(func, '__name__', func)}")

    def _by_element(self, func: Any, args: Any, place: int) -> Any:
        parameter, stack = self.stacks[id(args[place])]
        x, n, spare = args[1 - place], len(stack), args[1 - place].dim() - parameter.dim()
        if not x.dim() or x.shape[0] % n or spare < 0 or (spare == 0 and parameter.shape[0] != 1):
            raise NotStacked("it reads a parameter of its own that is not one for all rows")
        shape = parameter.shape if spare else (1, *parameter.shape[1:])
        values = stack.view(n, *[1] * spare, *shape)
        pair = [x.reshape(n, x.shape[0] // n, *x.shape[1:]), values]
        return func(*(pair if place else reversed(pair))).flatten(0, 1)

    def _expanded(self, args: Any) -> torch.Tensor:
        _, stack = self.stacks[id(args[0])]
        sizes = args[1] if isinstance(args[1], tuple | list) else args[1:]
        if sizes[0] % len(stack):
            raise NotStacked("it expands a parameter of its own, but not to the rows of the batch")
        rows = sizes[0] // len(stack)
        return torch.cat([copy.expand(rows, *sizes[1:]) for copy in stack])
