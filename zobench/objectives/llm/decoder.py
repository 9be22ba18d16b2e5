"""Check that a model is causal and that padding does not change its losses.

Rows of a batch are padded on the left. The loss of a row equals that of the row alone only if no
token reads a later one, and if padding changes neither a token's input nor its position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from zobench.errors import BadInput
from zobench.objectives.llm.forward import logits
from zobench.objectives.llm.reach import TestResults, drawn, holds, near, rope_length

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedModel

    from zobench.objectives.llm.batches import Batch

NEEDED = "a decoder that predicts the next token is needed, such as OPT, GPT-2 or Llama"
ENCODER = f"is an encoder, whose tokens also read the tokens after them; {NEEDED}"
ROW, PADDING = 12, 9  # tokens of the row on which a model is tested

PADDED = (
    "gives a row another loss where padding stands before it, so that rows of different lengths "
    "cannot share a batch; a model is needed that leaves out padding by its attention mask and "
    "position_ids, such as OPT, GPT-2 or Llama"
)

_checked: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()
_rows_checked: TestResults = WeakKeyDictionary()  # of `check_rows`


def check_config(config: PreTrainedConfig) -> None:
    """Raise BadInput if a configuration states that its model is not a decoder."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        MODEL_FOR_MASKED_LM_MAPPING,
    )

    kind, name = type(config), f"a model of type {config.model_type!r}"
    if config.is_encoder_decoder:
        raise BadInput(f"{name} has an encoder before its decoder; {NEEDED}")
    causal = getattr(config, "is_decoder", False) or getattr(config, "causal", False)
    if kind in MODEL_FOR_MASKED_LM_MAPPING and not causal:
        raise BadInput(f"{name} {ENCODER}")
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise BadInput(f"{name} has no form in transformers that predicts the next token; {NEEDED}")


def check(model: PreTrainedModel) -> None:
    """Test a model once, on a random row, alone and padded.

    Raises BadInput if the model is not causal, or if padding changes the row's logits.
    """
    if model not in _checked:
        if not model.training:  # with dropout, logits cannot be compared
            _test(model)
        _checked[model] = not model.training


def check_rows(model: PreTrainedModel, batch: Batch) -> None:
    """Raise BadInput if padding changes the logits of rows of a batch as wide as this one."""

    def same(few: Batch) -> bool:
        alone = few.mask[1].bool()
        ids, mask, positions = (t[1:, alone] for t in (few.ids, few.mask, few.positions))
        padded = logits(model, few.ids, few.mask, few.positions, 1)[1:]
        return near(logits(model, ids, mask, positions, 1), padded, model.dtype)

    check(model)
    check_length(model, batch.ids.shape[1] + max(batch.words.lengths) - 1)
    width = batch.ids.shape[1]
    if not model.training and not holds(_rows_checked, model, None, width, same, batch.words):
        raise BadInput(f"{type(model).__name__} {PADDED}")


def check_length(model: PreTrainedModel, tokens: int) -> None:
    """Raise BadInput if a loss on so many tokens depends on the other rows of the batch."""
    if tokens > (most := rope_length(model)):
        raise BadInput(
            f"{type(model).__name__} takes other rotary positions for all rows of a batch that is "
            f"longer than {most} tokens (its rope_type), and this task has rows of {tokens} with "
            "their label words: a model with a fixed rope_type is needed, or shorter rows "
            "(max_length of llm)"
        )


def _test(model: PreTrainedModel) -> None:
    import torch

    from zobench.objectives.llm.batches import room

    name, dtype = type(model).__name__, model.dtype
    row = drawn(model, min(ROW, room(model) // 2))
    other = drawn(model, len(row[0]) + 1)[:, 1:]
    pads = min(PADDING, room(model) - len(row[0]))
    try:
        with torch.no_grad():
            alone = model(input_ids=row, use_cache=False).logits[0].float()
            half = len(row[0]) // 2
            changed = torch.cat([row[:, :half], other[:, half:]], 1)
            earlier = model(input_ids=changed, use_cache=False).logits[0, :half].float()
            padded = [_padded(model, row, pads, filler) for filler in (0, int(other[0, 0]))]
    except (ValueError, RuntimeError, TypeError, IndexError, AttributeError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadInput(f"{name} does not run on tokens alone: {reason}; {NEEDED}") from error
    if alone.isnan().any():
        raise BadInput(f"{name} gives logits that are not numbers (NaN) in {dtype}; take another "
                       "dtype, or weights that are finite")  # fmt: skip
    if not near(alone[:half], earlier, dtype):
        raise BadInput(f"{name} {ENCODER}")
    if not all(near(alone, logits_of_row, dtype) for logits_of_row in padded):
        raise BadInput(f"{name} {PADDED}")


def _padded(model: PreTrainedModel, row: torch.Tensor, pads: int, filler: int) -> torch.Tensor:
    """Return the logits of a row, (tokens, vocabulary), after `pads` tokens of padding."""
    import torch

    ids = torch.cat([row.new_full((1, pads), filler), row], 1)
    mask = torch.cat([row.new_zeros(1, pads), torch.ones_like(row)], 1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return logits(model, ids, mask, positions, 0)[0, pads:].float()
