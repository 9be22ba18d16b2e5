"""One forward pass of a `transformers` model: final hidden states, or the logits wanted."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel


def hidden(
    model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """Final hidden states (rows, tokens, width), as the output embedding reads them."""
    inputs = _inputs(model.base_model, ids, mask, positions)
    return model.base_model(**inputs).last_hidden_state


def logits(
    model: PreTrainedModel,
    ids: torch.Tensor,
    mask: torch.Tensor,
    positions: torch.Tensor,
    keep: int,
) -> torch.Tensor:
    """Logits of the last `keep` tokens (0: of all), (rows, keep, vocabulary)."""
    inputs = _inputs(model, ids, mask, positions)
    if "logits_to_keep" in _named(type(model).forward):
        return model(**inputs, logits_to_keep=keep).logits
    return model(**inputs).logits[:, -keep:]


def _inputs(
    model: nn.Module, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor
) -> dict[str, object]:
    inputs = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
    if "position_ids" in _named(type(model).forward):  # some count padding unless told otherwise
        inputs["position_ids"] = positions
    return inputs


@cache
def _named(function: Callable[..., object]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)
