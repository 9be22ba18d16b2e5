"""Errors for a lack of memory that name the memory a loss needs and the settings that reduce it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from zobench.objectives.llm.batches import Batch

GIB = 1 << 30
WORDS = ("out of memory", "can't allocate memory", "not enough memory")
# Activations of the model's width that a layer needs at once, roughly: feed-forward, queries, keys,
# values, residual.
STATES = 12


@contextmanager
def explained(net: nn.Module, batch: Batch, micro: int) -> Iterator[None]:
    """Turn a failed allocation inside into a MemoryError that says what to change."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not any(word in str(error) for word in WORDS) and not isinstance(error, MemoryError):
            raise
        raise MemoryError(advice(net, batch, micro)) from error


def advice(net: nn.Module, batch: Batch, micro: int) -> str:
    """Say what the weights and one forward pass need, and which settings need less."""
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    rows, tokens = len(batch.ids), batch.ids.shape[1]
    rows = min(micro or rows, rows)
    width = int(net.get_input_embeddings().weight.shape[1])  # pyright: ignore
    size = next(net.parameters()).element_size()
    forward = rows * tokens * width * STATES * size
    change = f"micro_batch={max(1, rows // 4)}" if rows > 1 else "a smaller max_length"
    smaller = ", dtype=bfloat16" if size > 2 else ""
    return (
        f"out of memory: the weights take {weights / GIB:.2g} GiB, a forward pass of {rows} x "
        f"{tokens} tokens about {forward / GIB:.2g} GiB more; try {change}{smaller} "
        "or a larger memory limit"
    )
