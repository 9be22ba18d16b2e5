"""Record calls on a CPU: the operations of a function, played again on the same memory.

This saves no time. It makes a wrong recording visible without a GPU. As in a CUDA graph, the Python
of the function runs once; a tensor from outside is read where it lay at that time, also if its
owner has moved since; and a function that looks at values, or that makes tensors from numbers of
the host, is refused, as a capture refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from zobench.engine.recording import Recording, TensorFunction, copy_all

# What a capture does not allow: to read values (the last two come with tolist() and numpy()), to
# find out how many elements there are, and to copy from memory of the host that is not pinned.
LOOKS = ("_local_scalar_dense", "item", "is_nonzero", "equal", "resolve_conj", "resolve_neg")
SIZES = ("nonzero", "masked_select", "unique", "_unique2", "unique_consecutive", "bincount")
HOST = ("lift_fresh", "lift_fresh_copy")


class Refused(RuntimeError):  # noqa: N818 - as a capture refuses
    """A function that no recorder can record."""


@dataclass(frozen=True)
class TapePlace:
    """A tensor that an operation on the tape makes, by its number among all of them."""

    number: int


class Step(NamedTuple):
    """An operation, its arguments with places in them, and the places of its results."""

    operation: Callable[..., Any]
    args: Any
    kwargs: Any
    results: list[TapePlace]


class Tape:
    """Record functions on a CPU."""

    name = "tape"

    def record(self, function: TensorFunction) -> Recording:
        with torch.inference_mode():
            outputs = tuple(torch.empty_like(t) for t in function())
            with _Taping() as taping:
                copy_all(outputs, function())
        return Played(taping.steps, taping.reads, taping.count, outputs)


class Played:
    """A recorded function. `reads` are the tensors from outside that it reads and writes."""

    def __init__(
        self,
        steps: Sequence[Step],
        reads: Sequence[torch.Tensor],
        count: int,
        outputs: tuple[torch.Tensor, ...],
    ) -> None:
        self.steps, self.reads, self.count, self.outputs = steps, reads, count, outputs

    def replay(self) -> None:
        tensors: list[Any] = [None] * self.count

        def there(place: TapePlace) -> torch.Tensor:
            return tensors[place.number]

        with torch.inference_mode():
            for step in self.steps:
                args, kwargs = tree_map_only(TapePlace, there, (step.args, step.kwargs))
                result = step.operation(*args, **kwargs)
                for place, tensor in zip(step.results, _tensors(result)):
                    tensors[place.number] = tensor


class _Taping(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.reads: list[torch.Tensor] = []
        self.count = 0
        self._places: dict[int, TapePlace | torch.Tensor] = {}
        self._alive: list[torch.Tensor] = []  # so that no other tensor gets the name of one

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        _refuse(func, args)
        places, named_places = tree_map_only(torch.Tensor, self._place, (args, kwargs))
        result = func(*args, **kwargs)
        self.steps.append(
            Step(func, places, named_places, [self._make(t) for t in _tensors(result)])
        )
        return result

    def _place(self, tensor: torch.Tensor) -> TapePlace | torch.Tensor:
        if id(tensor) not in self._places:
            # Another view of the memory as it is now: the owner may get other memory later.
            self._name(tensor, tensor.detach())
            self.reads.append(tensor)
        return self._places[id(tensor)]

    def _make(self, tensor: torch.Tensor) -> TapePlace:
        place = TapePlace(self.count)
        self.count += 1
        self._name(tensor, place)
        return place

    def _name(self, tensor: torch.Tensor, place: TapePlace | torch.Tensor) -> None:
        self._alive.append(tensor)
        self._places[id(tensor)] = place


def _refuse(func: Any, args: Any) -> None:
    """Raise Refused for an operation that a capture does not allow."""
    name = func._schema.name.removeprefix("aten::")
    if name in LOOKS:
        raise Refused(f"it looks at the value of a tensor ({name})")
    by_mask = name in ("index", "index_put", "index_put_") and any(
        isinstance(t, torch.Tensor) and t.dtype in (torch.bool, torch.uint8) for t in args[1]
    )
    repeats = name == "repeat_interleave" and func._overloadname != "self_int"
    if name in SIZES or by_mask or repeats:
        raise Refused(f"the shape of a tensor depends on values ({name})")
    if name in HOST:
        raise Refused("it makes a tensor from numbers of the host")


def _tensors(result: Any) -> list[torch.Tensor]:
    """Return the tensors in the result of an operation: one, a list, or a tuple of any values."""
    several = result if isinstance(result, list | tuple) else [result]
    return [t for t in several if isinstance(t, torch.Tensor)]
