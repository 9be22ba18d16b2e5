"""Attention masks made once a minibatch, in the form that a model uses without looking at them.

Given which tokens are padding, `transformers` looks whether there is any, at every forward pass:
on a GPU the host then waits for the device. A mask of the final form is passed on as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from zobench.objectives.llm.forward import logits
from zobench.objectives.llm.reach import Found, holds, near, sees_all

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from zobench.objectives.llm.batches import Batch
_obey: Found = WeakKeyDictionary()  # what `obeys` found


def attention(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """The mask to give to the model: the final one, where a look at it costs and it is obeyed."""
    if (batch.fixed or waits(batch.ids)) and obeys(model, batch):
        return batch.final(model.dtype)
    return batch.mask


def waits(tensor: torch.Tensor) -> bool:
    """Does a look at the tensor make the host wait?"""
    return tensor.device.type != "cpu"


def obeys(model: PreTrainedModel, batch: Batch) -> bool:
    """Are logits the same under both forms of mask, for prompts of this width?"""

    def same(few: Batch) -> bool:
        usual = logits(model, few.ids, few.mask, few.positions, 1)
        ours = logits(model, few.ids, few.final(model.dtype), few.positions, 1)
        return near(usual, ours, model.dtype)

    width = batch.ids.shape[1]
    return sees_all(model, width) and holds(_obey, model, None, width, same, batch.words)
