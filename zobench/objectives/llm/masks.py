"""Attention masks that are made once per minibatch, in the form that attention adds.

For a mask of padding, `transformers` tests at every forward pass whether there is any padding; on a
GPU the CPU then waits for the device. A mask in the final form is passed on unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from zobench.objectives.llm.forward import logits
from zobench.objectives.llm.reach import TestResults, holds, near, sees_all

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from zobench.objectives.llm.batches import Batch
_obey: TestResults = WeakKeyDictionary()  # of `obeys`


def attention(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return the mask for the model: the final form if that saves a wait and the model obeys it."""
    if (batch.fixed or waits(batch.ids)) and obeys(model, batch):
        return batch.final(model.dtype)
    return batch.mask


def waits(tensor: torch.Tensor) -> bool:
    """True if reading a value of the tensor makes the CPU wait for its device."""
    return tensor.device.type != "cpu"


def obeys(model: PreTrainedModel, batch: Batch) -> bool:
    """True if both forms of mask give the same logits, for prompts of this width."""

    def same(few: Batch) -> bool:
        padding_form = logits(model, few.ids, few.mask, few.positions, 1)
        final_form = logits(model, few.ids, few.final(model.dtype), few.positions, 1)
        return near(padding_form, final_form, model.dtype)

    width = batch.ids.shape[1]
    return sees_all(model, width) and holds(_obey, model, None, width, same, batch.words)
