"""The settings that synthetic objectives share, each defined once.

A factory takes them in groups, and `shared_settings` makes one setting of each field:

    @objectives.register("sphere", version="1")
    @shared_settings
    def sphere(dim: int = 10, split: BlockSettings = BLOCKS) -> VectorProblem: ...

has the settings `dim`, `blocks` and `matrix`.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

from zobench.errors import BadInput
from zobench.objectives.synthetic._noise import LossNoise, loss_noise

Made = TypeVar("Made")


@dataclass(frozen=True)
class BlockSettings:
    """The split of the point into blocks, each of which is a group."""

    blocks: int = 1  # of sizes that are equal up to one
    matrix: bool = False  # each block as a matrix, where its size has divisors

    def shapes(self, dim: int) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of the blocks of `dim` coordinates.

        With `matrix`, a block whose size has divisors is the squarest matrix of that size, so that
        low-rank directions apply; a block of prime size stays a vector.
        Raises BadInput unless 1 <= blocks <= dim.
        """
        if not 1 <= self.blocks <= dim:
            raise BadInput(f"blocks is a number from 1 to the dimension {dim}, not {self.blocks}")
        sizes = [dim // self.blocks + (i < dim % self.blocks) for i in range(self.blocks)]
        return tuple(_squarest(size) if self.matrix else (size,) for size in sizes)


@dataclass(frozen=True)
class TensorSettings:
    """The storage of the point: type and device."""

    dtype: str = "float32"  # float32, float64 or bfloat16
    device: str = "cpu"  # of torch


@dataclass(frozen=True)
class NoiseSettings:
    """The noise of the losses: see `_noise`."""

    noise: str = "none"  # or a law: additive, multiplicative, uniform, cauchy or student
    noise_level: float = 0.01
    noise_kind: str = "fresh"  # one draw per query; or "shared" by a call, or "frozen" per point

    def model(self, dim: int) -> LossNoise | None:
        """Return the noise in `dim` variables; None without noise. Raises BadInput."""
        return loss_noise(self.noise, self.noise_level, self.noise_kind, dim)


BLOCKS, TENSORS, NOISE = BlockSettings(), TensorSettings(), NoiseSettings()  # the defaults


def shared_settings(make: Callable[..., Made]) -> Callable[..., Made]:
    """Give a factory one setting for each field of the groups among its parameters.

    A group is a parameter whose default is a dataclass; its fields take its place.
    """
    signature = inspect.signature(make)
    groups = {p.name: p.default for p in signature.parameters.values() if is_dataclass(p.default)}
    settings: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name not in groups:
            settings.append(parameter)
            continue
        for f in fields(parameter.default):
            default = getattr(parameter.default, f.name)
            settings.append(
                inspect.Parameter(f.name, parameter.kind, default=default, annotation=f.type)
            )
    flat = signature.replace(parameters=settings)
    names = {name: [f.name for f in fields(group)] for name, group in groups.items()}

    @functools.wraps(make)
    def build(*positional: Any, **named: Any) -> Made:
        bound = flat.bind(*positional, **named)
        bound.apply_defaults()
        values = bound.arguments
        grouped = {
            name: type(groups[name])(**{setting: values.pop(setting) for setting in members})
            for name, members in names.items()
        }
        return make(**values, **grouped)

    build.__signature__ = flat  # pyright: ignore[reportAttributeAccessIssue]
    return build


def at_least(name: str, value: float, low: float) -> None:
    """Raise BadInput if a setting is below `low`, or is not a finite number."""
    if not low <= value < math.inf:
        raise BadInput(f"{name} is a number >= {low}, not {value}")


def _squarest(size: int) -> tuple[int, ...]:
    rows = next(r for r in range(math.isqrt(size), 0, -1) if size % r == 0)
    return (rows, size // rows) if rows > 1 else (size,)
