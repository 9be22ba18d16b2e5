"""Buffers of a module, such as running statistics: one step writes them as one forward does.

All evaluations of a step begin with the buffers as they were before it, and it ends with those
that its first evaluation left. So a step of 64 probes updates running statistics once, and probes
differ in their weights only. A step that fails leaves the buffers as they were. Evaluations that
check the closure before the step are taken back (`undo`).

Only buffers that a forward writes cost time. `Tensor._version` shows a write, except one of
torch's own batch norm. So the buffers of such modules are copied in each step while they train, and
so are tensors made in inference mode, which have no version. At the first evaluation values are
compared, which finds other silent writes. Copies take memory: if the buffers are many (the weights
of some quantised models are buffers), a large one is copied only after a step has written it.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from zobench.engine.ties import overlapping

MANY, LARGE = 1 << 26, 1 << 20  # bytes: of all buffers, of one

Values = dict[str, torch.Tensor | None]


class Buffers:
    """The buffers of a module and of all modules in it, also those that are not saved."""

    def __init__(self, model: nn.Module | None, moving: Sequence[torch.Tensor] = ()) -> None:
        """`moving` are the weights. A buffer that shares memory with one of them moves with it."""
        self._parts: list[_Part] = []
        self._model, self._compared, self._has_begun = model, set(), False
        parts = [] if model is None else list(model.modules())
        every = [b for part in parts for b in part._buffers.values() if b is not None]
        limit = LARGE if sum(b.nbytes for b in every if _is_plain(b)) > MANY else None
        weights = [("", tensor) for tensor in moving]
        shared = {id(b) for b in every if overlapping(weights, [("", b)])}
        self._parts = [_Part(part, limit, shared) for part in parts]
        self._first: list[tuple[_Part, Values, Values]] | None = None

    def begin(self) -> None:
        """Begin a step."""
        self._has_begun, self._first = False, None

    def rewind(self) -> None:
        """Store the buffers at the first call of a step, and put them back at later calls."""
        if self._has_begun:
            self.restore()
            return
        self._has_begun = True
        for part in self._parts:
            part.store()

    def keep(self) -> None:
        """End an evaluation. The buffers of the first one become those of the step."""
        if self._first is not None:
            return
        mode = self._model is not None and self._model.training  # modules write as they train
        if mode not in self._compared:
            self._compared.add(mode)
            for part in self._parts:
                part.compare()
        self._first = [(p, *p.values()) for p in self._parts if p.is_written()]

    def restore(self) -> None:
        """Put back the buffers of the beginning of the step, unless `settle` has ended it."""
        self._put([(p, p.tensors, p.copies) for p in self._written()])

    def undo(self) -> None:
        """Take back all evaluations so far, which were not the step's own. It begins anew.

        A large buffer that was written for the first time has no copy of its former values. It gets
        those that the first of these evaluations left.
        """
        self._put(self._first or [])
        self.restore()
        self.begin()

    def settle(self) -> None:
        """End the step. The buffers become those of its first evaluation."""
        first = self._first or []
        parts = {part for part, _, _ in first}
        others = (part for part in self._written() if part not in parts)
        self._put([*first, *((p, p.tensors, p.copies) for p in others)])
        self.begin()

    def _written(self) -> list[_Part]:
        return [part for part in self._parts if part.is_written()] if self._has_begun else []

    @staticmethod
    def _put(values: Sequence[tuple[_Part, Values, Values]]) -> None:
        if values:
            with torch.no_grad():
                for part, tensors, copies in values:
                    part.put(tensors, copies)


class _Part:
    """The buffers of one module: which tensors they are, and copies of their values."""

    def __init__(self, module: nn.Module, limit: int | None, shared: set[int]) -> None:
        """Find the buffers of a module.

        Args:
            module: the module.
            limit: the largest buffer, in bytes, that is copied before it was ever written.
            shared: the ids of buffers that are weights too, and are not put back.
        """
        self.buffers: MutableMapping[str, Any] = module._buffers
        self.weights = {name for name, b in self.buffers.items() if id(b) in shared}
        self.module = module if isinstance(module, _NormBase) else None
        self.limit, self.is_silent = limit, False  # True if values change and versions do not
        self.changed: set[str] = set()  # names of the buffers written so far
        self.tensors: Values = {}
        self.versions: dict[str, int] = {}
        self.copies: Values = {}

    def is_written(self) -> bool:
        """Return True if one of them may have been written or replaced since `store`."""
        if len(self.buffers) == len(self.weights) and not self.tensors:
            return False
        if self.is_silent or (self.module is not None and self.module.training):
            return True
        if any(_is_inferred(self.tensors[name]) for name in self.copies):
            return True  # writes of such a tensor are not counted
        return self._has_changed()

    def _now(self) -> Values:
        return {name: b for name, b in self.buffers.items() if name not in self.weights}

    def _has_changed(self) -> bool:
        now = self._now()
        if now.keys() != self.tensors.keys():
            return True
        same = all(self.tensors[name] is tensor for name, tensor in now.items())
        return not same or self.versions != _versions(now)

    def store(self) -> None:
        """Copy the present buffers, except where the last copies still hold."""
        if self.is_written() or not self.changed <= self.copies.keys():
            self.tensors = self._now()
            self.versions = _versions(self.tensors)
            self.copies = _copied(self.tensors, self.limit, self.changed)

    def compare(self) -> None:
        """Find silent writes by comparing values. The host waits for the device."""
        if self.copies and not self._has_changed():
            pairs = ((self.tensors[name], copy) for name, copy in self.copies.items())
            self.is_silent = not all(torch.equal(a, b) for a, b in pairs)  # pyright: ignore

    def values(self) -> tuple[Values, Values]:
        """Return the present tensors, and copies of those that were written."""
        now, versions = self._now(), self.versions
        self.changed |= {name for name, at in _versions(now).items() if versions.get(name) != at}
        return now, _copied(now, self.limit, self.changed)

    def put(self, tensors: Values, copies: Values) -> None:
        """Make these tensors the buffers again, with the values of the copies."""
        now = self._now()
        for name in now.keys() - tensors.keys():
            del self.buffers[name]
        for name, tensor in tensors.items():
            if name not in now or now[name] is not tensor:
                self.buffers[name] = tensor
        for mode in (True, False):  # what was made in inference mode can be written there only
            names = [name for name in copies if _is_inferred(tensors[name]) is mode]
            if names:
                with torch.inference_mode(mode), torch.no_grad():
                    torch._foreach_copy_([tensors[n] for n in names], [copies[n] for n in names])  # pyright: ignore
        if tensors is self.tensors:
            self.versions = _versions(tensors)


def _versions(values: Values) -> dict[str, int]:
    return {n: t._version for n, t in values.items() if t is not None and not t.is_inference()}


def _copied(values: Values, limit: int | None, changed: set[str]) -> Values:
    """Return copies of the tensors that may be written; of a large one only if it has `changed`."""
    return {
        name: tensor.detach().clone()
        for name, tensor in values.items()
        if tensor is not None
        and _is_writable(tensor)
        and (limit is None or tensor.nbytes <= limit or name in changed)
    }


def _is_inferred(tensor: torch.Tensor | None) -> bool:
    """Return True if it was made in inference mode."""
    return tensor is not None and tensor.is_inference()


def _is_writable(tensor: torch.Tensor) -> bool:
    """Return True if a forward can write it in place: each element has memory of its own."""
    if tensor.is_meta or not _is_plain(tensor):
        return False
    return all(step or n < 2 for step, n in zip(tensor.stride(), tensor.shape))


def _is_plain(tensor: torch.Tensor) -> bool:
    """Return True if it is strided. Sparse and nested buffers are not put back."""
    return tensor.layout is torch.strided and not tensor.is_nested
