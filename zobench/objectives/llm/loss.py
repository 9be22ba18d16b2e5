"""The loss over label words (Malladi et al., 2023, https://arxiv.org/abs/2305.17333, section 3).

The score of a label word is the mean log-probability of its tokens after the prompt; the loss is
the cross-entropy of softmax(scores). When every label word is one token, the scores of an example
are log p(w_k) = logit_k - log sum exp(logits): the last term is the same for all k and a softmax
does not see it. So one sequence an example and the label words' own logits give the same loss.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from zobench.objectives.llm.batches import EVALUATED, Batch, Split, batches

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

_plain: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()  # what plain_head found


def label_loss(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy over the label words: a scalar, fp32, on the model's device."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(label_scores(model, batch), batch.labels)


def label_scores(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Scores (rows, words), fp32, exact up to a constant a row; the prediction is the argmax."""
    if not batch.words.single:
        return _word_scores(model, batch)
    words, head = batch.words.ids[:, 0], plain_head(model)
    if head is None:
        return _logits(model, batch.ids, batch.mask, batch.positions, 1)[:, -1, words].float()
    last = _hidden(model, batch.ids, batch.mask, batch.positions)[:, -1]
    return last.float() @ head.weight[words].float().T  # fp32: a bf16 logit has 3 digits


def evaluate(
    model: PreTrainedModel, split: Split, batch_size: int = EVALUATED
) -> tuple[float, float]:
    """Mean loss and accuracy over a whole split, without gradients."""
    import torch
    from torch.nn.functional import cross_entropy

    loss, right = 0.0, 0
    with torch.inference_mode():
        for batch in batches(split, batch_size):
            scores = label_scores(model, batch)
            loss += cross_entropy(scores, batch.labels, reduction="sum").item()
            right += int((scores.argmax(1) == batch.labels).sum())
    return loss / len(split), right / len(split)


def textbook_loss(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """The same loss as published trainers compute it: a yardstick for value and cost.

    One sequence a label word, right-aligned; logits of the whole vocabulary at every position.
    """
    import torch
    from torch.nn.functional import cross_entropy, pad

    rows, longest = len(batch.ids), max(batch.words.lengths)
    ids, mask = [], []
    for word, length in zip(batch.words.ids, batch.words.lengths):
        option = word[:length].expand(rows, length)
        spare = (longest - length, 0)  # on the left
        ids.append(pad(torch.cat([batch.ids, option], 1), spare))
        mask.append(pad(torch.cat([batch.mask, torch.ones_like(option)], 1), spare))
    ids, mask = torch.cat(ids), torch.cat(mask)
    logits = _logits(model, ids, mask, (mask.cumsum(1) - 1).clamp(min=0), 0)
    told = logits[:, :-1].float().log_softmax(-1).gather(2, ids[:, 1:, None])[:, :, 0]
    told = told.view(len(batch.words.lengths), rows, -1)
    scores = [said[:, -length:].mean(1) for said, length in zip(told, batch.words.lengths)]
    return cross_entropy(torch.stack(scores, 1), batch.labels)


def plain_head(model: PreTrainedModel) -> nn.Linear | None:
    """The output embedding, if logits are just `hidden @ weight.T`; None if they are not.

    Decided once a model: by its configuration (no scaling or capping of logits), then by
    comparing both ways on three tokens.
    """
    if model not in _plain:
        _plain[model] = _is_plain(model)
    head = model.get_output_embeddings() if _plain[model] else None
    return head  # pyright: ignore[reportReturnType]


def _is_plain(model: PreTrainedModel) -> bool:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

    if not isinstance(model, PreTrainedModel) or model.base_model is model:
        return False
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or head.bias is not None or hasattr(head, "_hf_hook"):
        return False
    touched = [key for key in model.config.to_dict() if "logit" in key or "lm_head" in key]
    if any(getattr(model.config, key, None) not in (None, False, 1) for key in touched):
        return False
    ids = torch.tensor([[0, 1, 2]], device=head.weight.device)
    positions = torch.arange(3, device=ids.device)[None]
    with torch.no_grad():
        own = _logits(model, ids, torch.ones_like(ids), positions, 1)[0, -1].float()
        hidden = _hidden(model, ids, torch.ones_like(ids), positions)[0, -1]
        ours = head(hidden).float()
    return own.shape == ours.shape and torch.allclose(own, ours, rtol=1e-3, atol=1e-3)


def _word_scores(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Mean log-probability of each label word of several tokens: one sequence a word and row."""
    import torch

    words, lengths = batch.words.ids, batch.words.lengths
    rows, (count, longest) = len(batch.ids), words.shape
    # Shorter words are padded on the right: what follows a token cannot change it.
    tails = words.repeat(rows, 1)  # (rows * count, longest)
    ids = torch.cat([batch.ids.repeat_interleave(count, 0), tails[:, :-1]], 1)
    mask = torch.cat([batch.mask.repeat_interleave(count, 0), torch.ones_like(tails[:, :-1])], 1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = _logits(model, ids, mask, positions, longest)
    told = logits.float().log_softmax(-1).gather(2, tails[:, :, None])[:, :, 0]
    sizes = torch.tensor(lengths, device=ids.device)
    inside = torch.arange(longest, device=ids.device) < sizes[:, None]  # (count, longest)
    return (told.view(rows, count, longest) * inside).sum(2) / sizes


def _hidden(
    model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """Final hidden states (rows, tokens, width), as the output embedding reads them."""
    inputs = _inputs(model.base_model, ids, mask, positions)
    return model.base_model(**inputs).last_hidden_state


def _logits(
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
