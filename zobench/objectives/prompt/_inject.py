"""Prompts written into a running model: over the embeddings of placeholders, or between layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zobench.errors import BadInput

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

    from zobench.engine.wrapping import Forward, Wrapper


@contextmanager
def injected(
    embedding: nn.Module,
    stack: Sequence[nn.Module],
    prompts: torch.Tensor,
    owner: torch.Tensor,
    begin: int,
) -> Iterator[None]:
    """Inside, columns begin ... begin + k - 1 of every sequence hold a prompt.

    prompts: (n, depth, k, width); owner: (rows,), the prompt of each row. Where the
    model is called with other rows than these (one for each of several label words; or the first
    few, to look at the model), they are equal shares of them. Depth 0
    replaces the embeddings; depth l > 0 is added to what layer l reads, so that zeros leave the
    model as it is. Shorter sequences than that are left alone.
    """
    from zobench.engine.wrapping import wrapped

    wrappers: list[tuple[nn.Module, Wrapper]] = [
        (embedding, _replacing(prompts[:, 0], owner, begin))
    ]
    wrappers += [
        (layer, _adding(prompts[:, depth], owner, begin))
        for depth, layer in enumerate(stack[: prompts.shape[1]])
        if depth
    ]
    with wrapped(wrappers):
        yield


def check(net: PreTrainedModel, begin: int, ends: int) -> None:
    """Raises BadInput where a prompt of words' embeddings is not read as the words are.

    Some models look up a token anew in each layer, or by a hash of its id. The prompt is in columns
    begin ... ends - 1.
    """
    import torch

    from zobench.objectives.llm.forward import logits
    from zobench.objectives.llm.reach import drawn, near

    words, embedding = drawn(net, ends + 4), net.get_input_embeddings()
    places, mask = words.clone(), torch.ones_like(words)
    places[:, begin:ends] = words[0, -1]
    positions = mask.cumsum(1) - 1
    with torch.no_grad():
        read = logits(net, words, mask, positions, 4)
        prompt = embedding(words)[:, None, begin:ends]
        with injected(embedding, [], prompt, positions.new_zeros(1), begin):
            told = logits(net, places, mask, positions, 4)
    if not near(read, told, net.dtype):
        raise BadInput(f"{type(net).__name__} reads more of a token than its embedding, so that no "
                       "prompt can be made of embeddings; take a model that does not, such as OPT, "
                       "GPT-2 or Llama")  # fmt: skip


def _own(prompts: torch.Tensor, owner: torch.Tensor, rows: int) -> torch.Tensor:
    """The prompt of each row, (rows, k, width)."""
    import torch

    return prompts[owner[torch.arange(rows, device=owner.device) * len(owner) // rows]]


def _replacing(prompts: torch.Tensor, owner: torch.Tensor, begin: int) -> Wrapper:
    def wrapper(forward: Forward) -> Forward:
        def embed(ids: torch.Tensor) -> torch.Tensor:
            out, end = forward(ids), begin + prompts.shape[1]
            if ids.shape[1] >= end:
                out[:, begin:end] = _own(prompts, owner, len(ids)).to(out.device, out.dtype)
            return out

        return embed

    return wrapper


def _adding(prompts: torch.Tensor, owner: torch.Tensor, begin: int) -> Wrapper:
    def wrapper(forward: Forward) -> Forward:
        def layer(*args: Any, **kwargs: Any) -> Any:
            states = args[0] if args else kwargs.pop("hidden_states")
            end = begin + prompts.shape[1]
            if states.shape[1] >= end:
                states = states.clone()  # who made it may still read it
                own = _own(prompts, owner, len(states)).to(states.device, states.dtype)
                states[:, begin:end] += own
            return forward(states, *args[1:], **kwargs)

        return layer

    return wrapper
