"""Prompts that replace the embeddings of placeholder tokens, or that are added between layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zobench.errors import BadInput

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

    from zobench.engine.wrapping import ModuleForward, Wrapper


@contextmanager
def injected(
    embedding: nn.Module,
    stack: Sequence[nn.Module],
    prompts: torch.Tensor,
    owner: torch.Tensor,
    begin: int,
) -> Iterator[None]:
    """Put a prompt into columns begin ... begin + k - 1 of every sequence of the model.

    prompts: (n, depth, k, width); owner: (rows,), the prompt of each row. If the model is called
    with another number of rows (several per text, one per label word; or the first few, to test the
    model), each owner gets an equal share of them. Depth 0 replaces the embeddings; depth l > 0 is
    added to the input of layer l, so that zeros do not change the model. Sequences that are too
    short for a prompt are unchanged.
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
    """Raise BadInput if the embeddings of words as a prompt do not act as the words do.

    Some models look up a token again in each layer, or by a hash of its id. The prompt is in
    columns begin ... ends - 1.
    """
    import torch

    from zobench.objectives.llm.forward import logits
    from zobench.objectives.llm.reach import drawn, near

    words, embedding = drawn(net, ends + 4), net.get_input_embeddings()
    placeholders, mask = words.clone(), torch.ones_like(words)
    placeholders[:, begin:ends] = words[0, -1]
    positions = mask.cumsum(1) - 1
    with torch.no_grad():
        of_words = logits(net, words, mask, positions, 4)
        prompt = embedding(words)[:, None, begin:ends]
        with injected(embedding, [], prompt, positions.new_zeros(1), begin):
            of_prompt = logits(net, placeholders, mask, positions, 4)
    if not near(of_words, of_prompt, net.dtype):
        raise BadInput(f"{type(net).__name__} reads more of a token than its embedding, so that no "
                       "prompt can be made of embeddings; take a model that does not, such as OPT, "
                       "GPT-2 or Llama")  # fmt: skip


def _own(prompts: torch.Tensor, owner: torch.Tensor, rows: int) -> torch.Tensor:
    """Return the prompt of each row, shape (rows, k, width)."""
    import torch

    return prompts[owner[torch.arange(rows, device=owner.device) * len(owner) // rows]]


def _replacing(prompts: torch.Tensor, owner: torch.Tensor, begin: int) -> Wrapper:
    def wrapper(forward: ModuleForward) -> ModuleForward:
        def embed(ids: torch.Tensor) -> torch.Tensor:
            out, end = forward(ids), begin + prompts.shape[1]
            if ids.shape[1] >= end:
                out[:, begin:end] = _own(prompts, owner, len(ids)).to(out.device, out.dtype)
            return out

        return embed

    return wrapper


def _adding(prompts: torch.Tensor, owner: torch.Tensor, begin: int) -> Wrapper:
    def wrapper(forward: ModuleForward) -> ModuleForward:
        def layer(*args: Any, **kwargs: Any) -> Any:
            states = args[0] if args else kwargs.pop("hidden_states")
            end = begin + prompts.shape[1]
            if states.shape[1] >= end:
                states = states.clone()  # the caller may still read the original
                own = _own(prompts, owner, len(states)).to(states.device, states.dtype)
                states[:, begin:end] += own
            return forward(states, *args[1:], **kwargs)

        return layer

    return wrapper
