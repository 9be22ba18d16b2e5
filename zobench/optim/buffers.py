"""A module's buffers (running statistics and the like): one step writes them as one forward does.

All evaluations of a step begin with the buffers as they were before it, and it ends with those
that its first evaluation left. So a step of 64 probes updates running statistics once, and probes
differ in their weights only. A step that fails leaves the buffers as they were.

Only what a forward writes costs time. `Tensor._version` tells of a write, but not of that of
torch's own batch norm, so the modules of that class which train are copied in each step; and at
the first evaluation values are compared, which finds others of the kind. Copies take memory: where
the buffers are many (the weights of some quantised models are buffers), a large one is copied from
the step after the first one that wrote it.
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
        """`moving`: the weights; a buffer that shares memory with one moves with it."""
        self._parts: list[_Part] = []
        self._model, self._compared, self._begun = model, set(), False
        parts = [] if model is None else list(model.modules())
        held = [b for part in parts for b in part._buffers.values() if b is not None]
        limit = LARGE if sum(b.nbytes for b in held if _plain(b)) > MANY else None
        weights = [("", tensor) for tensor in moving]
        shared = {id(b) for b in held if overlapping(weights, [("", b)])}
        self._parts = [_Part(part, limit, shared) for part in parts]
        self._first: list[tuple[_Part, Values, Values]] | None = None

    def begin(self) -> None:
        """A step begins."""
        self._begun, self._first = False, None

    def rewind(self) -> None:
        """The first call of a step remembers the buffers, later calls put them back."""
        if self._begun:
            self.restore()
            return
        self._begun = True
        for part in self._parts:
            part.remember()

    def keep(self) -> None:
        """An evaluation is done: the first one's buffers are those of the step."""
        if self._first is not None:
            return
        mode = self._model is not None and self._model.training  # modules write as they train
        if mode not in self._compared:
            self._compared.add(mode)
            for part in self._parts:
                part.compare()
        self._first = [(p, *p.values()) for p in self._parts if p.written()]

    def restore(self) -> None:
        """Put back what was there when the step began, unless it is settled."""
        self._put([(p, p.held, p.copies) for p in self._written()])

    def settle(self) -> None:
        """The step is done: they are those of its first evaluation."""
        first = self._first or []
        kept = {part for part, _, _ in first}
        self._put([*first, *((p, p.held, p.copies) for p in self._written() if p not in kept)])
        self.begin()

    def _written(self) -> list[_Part]:
        return [part for part in self._parts if part.written()] if self._begun else []

    @staticmethod
    def _put(values: Sequence[tuple[_Part, Values, Values]]) -> None:
        if values:
            with torch.no_grad():
                for part, held, copies in values:
                    part.put(held, copies)


class _Part:
    """The buffers of one module alone: which tensors they are, and copies of their values."""

    def __init__(self, module: nn.Module, limit: int | None, shared: set[int]) -> None:
        """`limit`: the bytes of a buffer that is copied before a write of it was seen.
        `shared`: the ids of buffers that are weights too, and left alone."""
        self.place: MutableMapping[str, Any] = module._buffers
        self.left = {name for name, b in self.place.items() if id(b) in shared}
        self.module = module if isinstance(module, _NormBase) else None
        self.limit, self.silent = limit, False  # silent: values change, versions do not
        self.seen: set[str] = set()  # written so far
        self.held: Values = {}
        self.versions: dict[str, int] = {}
        self.copies: Values = {}

    def written(self) -> bool:
        """Was any of them written or replaced since `remember`?"""
        if len(self.place) == len(self.left) and not self.held:
            return False
        if self.silent or (self.module is not None and self.module.training):
            return True
        return self._changed()

    def _now(self) -> Values:
        return {name: b for name, b in self.place.items() if name not in self.left}

    def _changed(self) -> bool:
        now = self._now()
        if now.keys() != self.held.keys():
            return True
        same = all(self.held[name] is tensor for name, tensor in now.items())
        return not same or self.versions != _versions(now)

    def remember(self) -> None:
        """What is there now; copies that are still right are not made again."""
        if self.written():
            self.held = self._now()
            self.versions = _versions(self.held)
            self.copies = _copied(self.held, self.limit, self.seen)

    def compare(self) -> None:
        """Do the values change without a word? Compares them, for which a device must be waited."""
        if self.copies and not self._changed():
            pairs = ((self.held[name], copy) for name, copy in self.copies.items())
            self.silent = not all(torch.equal(a, b) for a, b in pairs)  # pyright: ignore

    def values(self) -> tuple[Values, Values]:
        """The tensors that are there now, and copies of those that were written."""
        now, versions = self._now(), self.versions
        self.seen |= {name for name, at in _versions(now).items() if versions.get(name) != at}
        return now, _copied(now, self.limit, self.seen)

    def put(self, held: Values, copies: Values) -> None:
        """Make these the buffers again, with the values of the copies."""
        now = self._now()
        for name in now.keys() - held.keys():
            del self.place[name]
        for name, tensor in held.items():
            if name not in now or now[name] is not tensor:
                self.place[name] = tensor
        if copies:
            torch._foreach_copy_([held[name] for name in copies], list(copies.values()))  # pyright: ignore
        if held is self.held:
            self.versions = _versions(held)


def _versions(values: Values) -> dict[str, int]:
    return {n: t._version for n, t in values.items() if t is not None and not t.is_inference()}


def _copied(values: Values, limit: int | None, seen: set[str]) -> Values:
    """Copies of the tensors that may be written, but of large ones only if that was `seen`."""
    return {
        name: tensor.detach().clone()
        for name, tensor in values.items()
        if tensor is not None
        and _writable(tensor)
        and (limit is None or tensor.nbytes <= limit or name in seen)
    }


def _writable(tensor: torch.Tensor) -> bool:
    """Can a forward write it in place? Not where one number stands for many."""
    if tensor.is_inference() or tensor.is_meta or not _plain(tensor):
        return False
    return all(step or n < 2 for step, n in zip(tensor.stride(), tensor.shape))


def _plain(tensor: torch.Tensor) -> bool:
    """Does it hold one number after the other? Sparse and nested ones are left as they are."""
    return tensor.layout is torch.strided and not tensor.is_nested
