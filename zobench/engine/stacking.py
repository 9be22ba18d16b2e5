"""Batches of several probes: the same rows once per probe, one probe after the other.

Rows of probe k of n are the k-th of n equal parts along the first axis, also after a view that
joins the first axes, such as (rows, tokens, width) to (rows * tokens, width).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from zobench.errors import Unsuitable

PLAIN = (int, float, bool, complex, str, bytes, type(None), enum.Enum, torch.dtype, torch.device)
CUT, ONE_EACH, SHARED, LOST = "cut", "one each", "shared", "lost"


class NotStacked(Exception):  # noqa: N818 - a fact about a model
    """A forward that does not run on the batches of several probes together. Says why."""


def rows_of(leaves: Sequence[Any]) -> int | None:
    """Return the length of the first axis of the first tensor that has one; None without one."""
    for leaf in leaves:
        if isinstance(leaf, torch.Tensor) and leaf.dim():
            return leaf.shape[0]
    return None


def repeated(leaves: Sequence[Any], rows: int, count: int) -> list[Any]:
    """Return the leaves, with each tensor of that many rows `count` times, one after the other."""
    return [torch.cat([x] * count) if _has_rows(x, rows) else x for x in leaves]


def part_of(leaves: Sequence[Any], rows: int, k: int, count: int) -> list[Any]:
    """Return the leaves, with the k-th of `count` equal parts of each tensor of that many rows."""
    size = rows // count
    return [x[k * size : (k + 1) * size] if _has_rows(x, rows) else x for x in leaves]


def joined(parts: Sequence[Any], given: int | None, rows: int) -> Any:
    """Join the outputs of a module for each probe into its output for all of them.

    An output that has no axis of rows is repeated for all rows.

    Args:
        parts: one output per probe, equal in form.
        given: the rows of one probe that the module was given; None if it was given the same for
            all rows.
        rows: of the batch of one probe.
    """
    flat, form = zip(*(tree_flatten(part) for part in parts))
    if any(other != form[0] for other in form):
        raise NotStacked("the outputs at several probes are not of one form")
    leaves = []
    for values in zip(*flat):
        first = values[0]
        if not isinstance(first, torch.Tensor):
            leaves.append(first)
        elif not first.dim():
            raise NotStacked("a module with weights gives one number for the whole batch")
        elif given and first.shape[0] % given == 0:
            leaves.append(torch.cat(values))
        else:
            leaves.append(torch.cat([for_rows(value, rows) for value in values]))
    return tree_unflatten(leaves, form[0])


def for_rows(value: torch.Tensor, rows: int) -> torch.Tensor:
    """Expand what is equal for all rows of a batch, as broadcasting would, to (rows, ...)."""
    if value.shape[0] == 1 and value.dim() > 1:
        return value.expand(rows, *value.shape[1:])
    return value.unsqueeze(0).expand(rows, *value.shape)


class Lost:
    """Stands for an output that cannot be cut, such as keys and values kept by a decoder."""

    def __init__(self, what: str) -> None:
        self.__dict__["what"] = what

    def __getattr__(self, name: str) -> Any:
        raise Unsuitable(
            f"paired: the closure reads the {self.what} that the model returned for several probes "
            "together; use realisation = walk"
        )

    __len__ = __iter__ = __getitem__ = __bool__ = lambda self, *_: self.read  # type: ignore


def kinds_of(one: Sequence[Any], several: Sequence[Any], count: int) -> list[str]:
    """Say how each output of several probes is cut, by comparison with that of one probe.

    Raises NotStacked for outputs that cannot be cut.
    """
    kinds = []
    for a, b in zip(one, several, strict=True):
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
            if a.dim() == 0 and b.shape == (count,):
                kinds.append(ONE_EACH)
            elif a.dim() and b.shape == (count * a.shape[0], *a.shape[1:]):
                kinds.append(CUT)
            elif a.shape == b.shape:
                kinds.append(SHARED)
            else:
                raise NotStacked(
                    f"an output of shape {tuple(a.shape)} has the shape {tuple(b.shape)} for "
                    f"{count} probes"
                )
        elif isinstance(a, PLAIN):
            kinds.append(SHARED)
        elif hasattr(a, "get_seq_length"):  # keys and values
            kinds.append(LOST)
        else:
            raise NotStacked(f"an output is a {type(a).__name__}, which cannot be cut")
    return kinds


def cut(leaves: Sequence[Any], kinds: Sequence[str], k: int, count: int) -> list[Any]:
    """Return the outputs of the probe k of `count`."""
    values = []
    for leaf, kind in zip(leaves, kinds, strict=True):
        if kind == CUT:
            size = leaf.shape[0] // count
            values.append(leaf[k * size : (k + 1) * size])
        elif kind == ONE_EACH:
            values.append(leaf[k])
        elif kind == LOST:
            values.append(Lost(type(leaf).__name__))
        else:
            values.append(leaf)
    return values


def _has_rows(leaf: Any, rows: int) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.dim() > 0 and leaf.shape[0] == rows
