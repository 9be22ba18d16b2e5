"""Run a module's forward with other weights in the place of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.autograd import forward_ad
from torch.autograd.graph import increment_version
from torch.nn.functional import embedding

from zobench.engine.reads import LookUps
from zobench.engine.wrapping import ModuleForward
from zobench.errors import Unsuitable

Weights = Callable[[], AbstractContextManager[Sequence[torch.Tensor]]]
# rows(k, index, places): the rows `index` of weight k; `places`: the same on the host, or None
MakeRows = Callable[[int, torch.Tensor, Sequence[int] | None], torch.Tensor]


class Perturbed:
    """A forward, in which `parameters` have the values that `weights()` gives for one call."""

    def __init__(
        self,
        forward: ModuleForward,
        parameters: Sequence[nn.Parameter],
        weights: Weights,
        rows: MakeRows,
        name: str = "scratch",
    ) -> None:
        self.forward, self.parameters = forward, parameters
        self.weights, self.rows, self.name = weights, rows, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        refuse_derivatives(self.name)
        return self.run(*args, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Call the forward with the other values."""
        with self.placed():
            return self.forward(*args, **kwargs)

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Inside, the parameters have the other values."""
        former = [parameter.data for parameter in self.parameters]
        with self.weights() as values:
            try:
                increment_version(self.parameters)
                for parameter, value in zip(self.parameters, values):
                    parameter.data = value
                yield
            finally:
                increment_version(self.parameters)
                for parameter, data in zip(self.parameters, former):
                    parameter.data = data


def refuse_derivatives(name: str) -> None:
    """Raise Unsuitable if torch computes derivatives, backwards or forwards (torch.func.jvp)."""
    if torch.is_grad_enabled() or forward_ad._current_level >= 0:
        raise Unsuitable(
            f"{name}: gradients are computed inside the loss, from weights that are there for one "
            "call only; use torch.no_grad() or realisation = walk"
        )


class LookedUp(Perturbed):
    """The same for an embedding, of whose table only the rows that are looked up are made.

    A forward that does anything else with the table (a scaled or normalised one) gets all of it.
    """

    def run(self, *args: Any, **kwargs: Any) -> Any:
        (table,) = self.parameters
        with ExitStack() as stack:
            all_rows = False  # True if the forward reads all of the table

            def place(_: torch.Tensor) -> None:
                nonlocal all_rows
                if not all_rows:
                    all_rows = True
                    stack.enter_context(self.placed())

            def look_up(ids: torch.Tensor) -> torch.Tensor | None:
                return None if all_rows else self._look_up(ids, table)

            with LookUps(table, look_up, place):
                return self.forward(*args, **kwargs)

    def _look_up(self, ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor | None:
        flat = ids.reshape(-1).long()
        if ids.device.type == "cpu":
            distinct, where = torch.unique(flat, return_inverse=True)
            return embedding(where.view(ids.shape), self.rows(0, distinct, None))
        # To find out which are equal would be to wait for the device.
        if len(flat) >= len(table):
            return None
        return self.rows(0, flat, None).view(*ids.shape, table.shape[1])


def rows(
    module: nn.Module, parameter: torch.Tensor, index: torch.Tensor, places: Sequence[int]
) -> torch.Tensor:
    """Return rows of a weight of `module` as its forward would read them, and make no others.

    Args:
        module: it owns the weight.
        parameter: the weight, shape (rows, width).
        index: which rows, int64, shape (n,).
        places: the numbers in `index`, on the host.
    """
    forward = module.__dict__.get("forward")
    weight_rows = getattr(forward, "weight_rows", None)  # of the realisation "paired"
    if weight_rows is not None:
        made = weight_rows(parameter, index)
        return parameter[index] if made is None else made
    if isinstance(forward, Perturbed):
        for k, member in enumerate(forward.parameters):
            if member is parameter:
                return forward.rows(k, index, places)
    return parameter[index]
