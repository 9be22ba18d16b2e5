"""Set parameters to NaN outside their own module's forward, to detect losses that read them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, SupportsFloat

import numpy as np
import torch
from torch import nn
from torch.autograd.graph import increment_version

from zobench.engine.perturbed import Perturbed
from zobench.engine.ties import place
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
    reads copies. These are NaN afterwards. The memory of the weights has other numbers meanwhile,
    for losses that read it through arrays or tensors made before.

    Args:
        units: the modules, and the parameters that each of them reads.
        loss: returns a number, and is called two or three times.
        name: of the realisation, for the message.
    """
    true = {p: p.data for members in units.values() for p in members}
    memories = list({place(data): data for data in true.values()}.values())

    def of(parameter: nn.Parameter) -> torch.Tensor:
        if parameter not in true:
            raise Unsuitable(
                f"{name}: the loss runs a copy of a module, made inside it, whose weights are not "
                "perturbed; use realisation = walk"
            )
        return true[parameter]

    @contextmanager
    def copies(parameters: Sequence[nn.Parameter]) -> Iterator[Sequence[torch.Tensor]]:
        values = [of(parameter).clone() for parameter in parameters]
        _flip(values)
        yield values
        for value in values:
            value.fill_(NAN)

    def reading(parameters: Sequence[nn.Parameter]) -> Wrapper:
        def row(k: int, index: torch.Tensor, places: Any) -> torch.Tensor:
            values = of(parameters[k])[index]
            _flip([values])
            return values

        return lambda f: Perturbed(f, parameters, partial(copies, parameters), row, name)

    with torch.no_grad():
        expected = float(loss())
        wrappers = [(part, reading(members)) for part, members in units.items()]
        with as_written(), nowhere(true), wrapped(wrappers), _flipped(memories):
            value = float(_evaluated(loss, name))
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


def _evaluated(loss: Callable[[], SupportsFloat], name: str) -> SupportsFloat:
    """Return a loss of numbers that are not the weights', which NumPy is not to warn of.

    Raises Unsuitable if it writes to a weight that is one number everywhere.
    """
    try:
        with np.errstate(all="ignore"):
            return loss()
    except RuntimeError as error:
        if "written-to tensor" not in str(error):
            raise
        raise Unsuitable(
            f"{name}: the loss writes to weights, which are perturbed copies at a probe; write to "
            "them after the step"
        ) from error


@contextmanager
def _flipped(tensors: Sequence[torch.Tensor]) -> Iterator[None]:
    """Inside, the tensors have other numbers; no memory is needed to put the true ones back."""
    _flip(tensors)
    try:
        yield
    finally:
        _flip(tensors)


def _flip(tensors: Iterable[torch.Tensor]) -> None:
    """Flip the highest bit of the exponents: it is another number, and the same after a second."""
    for tensor in tensors:
        bits = tensor.view(_WHOLE[tensor.element_size()])
        bits.bitwise_xor_(1 << (8 * tensor.element_size() - 2))


_WHOLE = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def as_written() -> AbstractContextManager[Any]:
    """Inside, compiled modules run uncompiled: the compiler would take the copies for constants."""
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and to load it takes a second
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
