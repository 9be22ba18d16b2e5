"""Watch reads of tensors: which function of torch is given one of them, and when.

A function mode sees every function of torch that the code inside it calls, also those that a
module of a library calls, and its arguments. So it knows when any module reads a weight. It sees
nothing inside of compiled code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn.functional import embedding
from torch.overrides import TorchFunctionMode

# What describes a tensor without a look at its values.
ABOUT: frozenset[Any] = frozenset(
    [
        *(
            getattr(torch.Tensor, name).__get__
            for name in ("dtype", "device", "shape", "ndim", "layout", "requires_grad", "is_cuda")
        ),
        *(
            getattr(torch.Tensor, name)
            for name in ("size", "dim", "numel", "stride", "is_floating_point", "is_contiguous")
        ),
    ]
)


class Reads(TorchFunctionMode):
    """Call `on_read(tensor)` before a function gets one of `tensors` and may look at its values."""

    def __init__(self, tensors: Iterable[torch.Tensor], on_read: Callable[[torch.Tensor], None]):
        super().__init__()
        self.on_read, self.watched = on_read, {id(tensor): tensor for tensor in tensors}

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in ABOUT:
            for tensor in self._among((args, kwargs)):
                self.on_read(tensor)
        return func(*args, **kwargs)

    def _among(self, value: Any) -> Iterable[torch.Tensor]:
        if isinstance(value, torch.Tensor):
            tensor = self.watched.get(id(value))
            return () if tensor is None else (tensor,)
        if isinstance(value, list | tuple):
            return (t for v in value for t in self._among(v))
        if isinstance(value, dict):
            return (t for v in value.values() for t in self._among(v))
        return ()


class LookUps(Reads):
    """Call `rows(ids)` instead of `embedding(ids, table)`, and `on_read` before other reads."""

    def __init__(
        self,
        table: torch.Tensor,
        rows: Callable[[torch.Tensor], torch.Tensor | None],
        on_read: Callable[[torch.Tensor], None],
    ):
        """`rows` returns the values, or None to read the table after all."""
        super().__init__([table], on_read)
        self.table, self.rows = table, rows

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is embedding:
            names = ("input", "weight", "padding_idx", "max_norm")
            arguments = dict(zip(names, args)) | (kwargs or {})
            if arguments["weight"] is self.table and arguments.get("max_norm") is None:
                values = self.rows(arguments["input"])
                if values is not None:
                    return values
        return super().__torch_function__(func, types, args, kwargs)
