"""Functions of torch that mix the rows of a batch, computed for the rows of each probe.

Losses over a batch, which become one number per probe; and random draws, which are the same for
each probe. A function mode sees them wherever a model calls them, except inside compiled code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as fn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from zobench.engine.draws import SameDraws
from zobench.engine.stacking import part_of, rows_of

LOSSES: frozenset[Any] = frozenset(
    getattr(fn, name)
    for name in (
        "cross_entropy", "nll_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
        "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div", "poisson_nll_loss",
        "gaussian_nll_loss", "hinge_embedding_loss", "soft_margin_loss", "multi_margin_loss",
        "multilabel_margin_loss", "multilabel_soft_margin_loss", "margin_ranking_loss",
        "cosine_embedding_loss", "triplet_margin_loss",
    )
)  # fmt: skip
DRAWS: frozenset[Any] = frozenset(
    [
        *(
            getattr(fn, name)
            for name in (
                "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
                "feature_alpha_dropout", "rrelu", "gumbel_softmax", "scaled_dot_product_attention",
                "multi_head_attention_forward",
            )
        ),
        *(
            getattr(torch, name)
            for name in (
                "dropout", "dropout_", "alpha_dropout", "feature_dropout", "native_dropout",
                "bernoulli", "rand_like", "randn_like", "randint_like", "multinomial", "normal",
                "poisson", "rrelu",
            )
        ),
        *(
            getattr(torch.Tensor, name)
            for name in (
                "bernoulli", "bernoulli_", "uniform_", "normal_", "exponential_", "geometric_",
                "log_normal_", "cauchy_", "random_", "multinomial",
            )
        ),
    ]
)  # fmt: skip
MADE: frozenset[Any] = frozenset([torch.rand, torch.randn, torch.randint])


class ByProbe(TorchFunctionMode):
    """Inside, the batch holds the rows of several probes, except where `count()` is 1."""

    def __init__(self, count: Callable[[], int], rows: int, draws: SameDraws | None) -> None:
        """Set what the batch holds.

        Args:
            count: returns the number of probes that the batch holds at present.
            rows: of the batch of one probe.
            draws: the generators that the model draws from; None if it draws nothing.
        """
        super().__init__()
        self.count, self.rows, self.draws = count, rows, draws

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in LOSSES:
            return self._loss(func, args, kwargs)
        if self.draws is not None:
            if func in DRAWS:
                return self._draw(func, args, kwargs, self.draws)
            if func in MADE:
                return self._made(func, args, kwargs)
        return func(*args, **kwargs)

    def _parts(self, args: Any, kwargs: Any) -> list[tuple[Any, Any]] | None:
        """Return the arguments for each probe; None if they are not of several probes."""
        count = self.count()
        leaves, form = tree_flatten((args, kwargs))
        size = rows_of(leaves)
        if count == 1 or size is None or size % (count * self.rows):
            return None
        return [tree_unflatten(part_of(leaves, size, k, count), form) for k in range(count)]

    def _loss(self, func: Any, args: Any, kwargs: Any) -> Any:
        parts = self._parts(args, kwargs)
        if parts is None:
            return func(*args, **kwargs)
        values = [func(*a, **k) for a, k in parts]
        return torch.stack(values) if not values[0].dim() else torch.cat(values)

    def _draw(self, func: Any, args: Any, kwargs: Any, draws: SameDraws) -> Any:
        parts = self._parts(args, kwargs)
        if parts is None:
            return func(*args, **kwargs)
        states = draws.states()
        values = []
        for a, k in parts:
            draws.put(states)
            values.append(func(*a, **k))
        return _joined(values, args)

    def _made(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Make random numbers for the rows of one probe, and repeat them."""
        count = self.count()
        places = [i for i, a in enumerate(args) if isinstance(a, tuple | list | torch.Size)]
        sizes = args[places[0]] if places else args if func is not torch.randint else ()
        first = next(iter(sizes), None)
        if count == 1 or kwargs.get("size") is not None or not isinstance(first, int):
            return func(*args, **kwargs)
        if first % (count * self.rows):
            return func(*args, **kwargs)
        sizes = [first // count, *list(sizes)[1:]]
        args = [*args]
        if places:
            args[places[0]] = sizes
        else:
            args = sizes
        return torch.cat([func(*args, **kwargs)] * count)


def _joined(values: Sequence[Any], args: Any) -> Any:
    """Join the results for each probe; an operation in place has written into its argument."""
    first = values[0]
    if isinstance(first, torch.Tensor):
        whole = next((a for a in args if isinstance(a, torch.Tensor)), None)
        if whole is not None and first.data_ptr() == whole.data_ptr() and first.numel():
            return whole
        return torch.cat([*values])
    return type(first)(
        torch.cat(parts) if isinstance(parts[0], torch.Tensor) else parts[0]
        for parts in zip(*values)
    )
