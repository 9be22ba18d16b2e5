"""One forward pass of a `transformers` model: final hidden states, or some of the logits."""

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
    """Return the final hidden states (rows, tokens, width), the input of the output embedding."""
    inputs = _inputs(model.base_model, ids, mask, positions)
    return model.base_model(**inputs).last_hidden_state


def logits(
    model: PreTrainedModel,
    ids: torch.Tensor,
    mask: torch.Tensor,
    positions: torch.Tensor,
    count: int,
) -> torch.Tensor:
    """Return the logits of the last `count` tokens (0: of all), (rows, count, vocabulary)."""
    inputs = _inputs(model, ids, mask, positions)
    if "logits_to_keep" in _parameters(type(model).forward):
        return model(**inputs, logits_to_keep=count).logits
    return model(**inputs).logits[:, -count:]


def _inputs(
    model: nn.Module, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor
) -> dict[str, object]:
    inputs = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
    if "position_ids" in _parameters(type(model).forward):  # by default some count padding
        inputs["position_ids"] = positions
    return inputs


@cache
def _parameters(function: Callable[..., object]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)
