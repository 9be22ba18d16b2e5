"""The inputs of a forward, to find out whether a later call hands it equal ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import TreeSpec

from zobench.engine.stacking import PLAIN


class Given(NamedTuple):
    """The leaves of the arguments, their form, and the version that each tensor had."""

    leaves: Sequence[Any]
    form: TreeSpec
    versions: list[int]

    @classmethod
    def of(cls, leaves: Sequence[Any], form: TreeSpec) -> Given:
        """Note the inputs as they are now."""
        return cls(leaves, form, [_version(leaf) for leaf in leaves])

    def fits(self, leaves: Sequence[Any], form: TreeSpec) -> bool:
        """Return True if other inputs equal these, which have not been written to since."""
        if form != self.form:
            return False
        pairs = zip(self.leaves, leaves, self.versions, strict=True)
        return all(_equal(a, b, version) for a, b, version in pairs)


def _equal(a: Any, b: Any, version: int) -> bool:
    """Return True if an input equals the one of before, which had that version."""
    if isinstance(a, torch.Tensor):
        if a is b:
            return _version(b) == version
        return (
            isinstance(b, torch.Tensor)
            and _version(a) == version
            and a.shape == b.shape
            and a.dtype == b.dtype
            and a.device == b.device
            and torch.equal(a, b)
        )
    return a is b or (isinstance(a, PLAIN) and type(a) is type(b) and a == b)


def _version(leaf: Any) -> int:
    is_counted = isinstance(leaf, torch.Tensor) and not leaf.is_inference()
    return leaf._version if is_counted else 0
