"""Set parameters to NaN outside their own module's forward, to detect losses that read them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, SupportsFloat

import torch
from torch import nn
from torch.autograd.graph import increment_version

from zobench.engine.perturbed import Perturbed
from zobench.engine.wrapping import Wrapper, wrapped
from zobench.errors import Unsuitable

NAN = float("nan")


@contextmanager
def nowhere(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Inside, each of the parameters is NaN everywhere: one number, expanded to its shape."""
    former = {parameter: parameter.data for parameter in parameters}
    try:
        increment_version(list(former))
        for parameter, data in former.items():
            parameter.data = data.new_full((), NAN).expand(data.shape)
        yield
    finally:
        increment_version(list(former))
        for parameter, data in former.items():
            parameter.data = data


def check(
    units: Mapping[nn.Module, Sequence[nn.Parameter]],
    loss: Callable[[], SupportsFloat],
    name: str = "scratch",
) -> None:
    """Raise Unsuitable if `loss()` reads a weight outside the forward of the module it is in.

    For one evaluation all weights are NaN, except inside the forward of their own module, which
    reads copies. These are NaN afterwards.

    Args:
        units: the modules, and the parameters that each of them reads.
        loss: returns a number, and is called two or three times.
        name: of the realisation, for the message.
    """
    true = {p: p.data for members in units.values() for p in members}

    @contextmanager
    def copies(parameters: Sequence[nn.Parameter]) -> Iterator[Sequence[torch.Tensor]]:
        values = [true[parameter].clone() for parameter in parameters]
        yield values
        for value in values:
            value.fill_(NAN)

    def reading(parameters: Sequence[nn.Parameter]) -> Wrapper:
        def row(k: int, index: torch.Tensor, places: Any) -> torch.Tensor:
            return true[parameters[k]][index]

        return lambda f: Perturbed(f, parameters, partial(copies, parameters), row, name)

    with torch.no_grad():
        expected = float(loss())
        wrappers = [(part, reading(members)) for part, members in units.items()]
        with as_written(), nowhere(true), wrapped(wrappers):
            value = float(loss())
        # Copies lie elsewhere in memory, where sums may round otherwise; and a loss that is not
        # the same twice (sums in another order on a GPU) shows by NaN only.
        rounding = max(torch.finfo(p.dtype).eps for p in true) ** 0.5 * abs(expected)
        other = abs(value - expected) > rounding and float(loss()) == expected
        lost = value != value or other
    if lost and expected == expected:
        raise Unsuitable(
            f"{name}: the loss reads weights outside the forward of the module that owns "
            "them, where they are not perturbed; use realisation = walk"
        )


def as_written() -> AbstractContextManager[Any]:
    """Inside, compiled modules run uncompiled: the compiler would take the copies for constants."""
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and to load it takes a second
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
