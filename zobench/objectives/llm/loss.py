"""The loss over label words (Malladi et al., 2023, arXiv:2305.17333, section 3).

The score of a label word is the mean log-probability of its tokens after the prompt; the loss is
the cross-entropy of softmax(scores). If every label word is one token, the scores of an example
are log p(w_k) = logit_k - log sum exp(logits). The last term is the same for all k and cancels in
the softmax. So one sequence per example and the label words' own logits give the same loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from zobench.objectives.llm.batches import EVALUATED, Batch, LabelWords, Split, batches
from zobench.objectives.llm.decoder import check_rows
from zobench.objectives.llm.forward import hidden, logits
from zobench.objectives.llm.masks import attention, obeys, waits
from zobench.objectives.llm.reach import drawn, example, levels, near
from zobench.objectives.llm.words import packs, word_scores

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

_decided: WeakKeyDictionary[nn.Module, set[tuple[tuple[int, ...], int]]] = WeakKeyDictionary()
_plain: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()  # the results of plain_head


def label_loss(model: PreTrainedModel, batch: Batch, micro: int = 0) -> torch.Tensor:
    """Compute the mean cross-entropy over the label words: a scalar, fp32, on the model's device.

    `micro`: rows per forward pass (0: all). The result is the mean over the whole batch.
    """
    from torch.nn.functional import cross_entropy

    parts = batch.parts(micro)
    if len(parts) == 1:
        return cross_entropy(label_scores(model, batch), batch.labels)
    sums = [cross_entropy(label_scores(model, p), p.labels, reduction="sum") for p in parts]
    return sum(sums) / len(batch.labels)  # pyright: ignore[reportReturnType]


def label_scores(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Compute scores (rows, words), fp32, exact up to a constant per row."""
    check_rows(model, batch)
    if not batch.words.single:
        return word_scores(model, batch)
    words, head = batch.words.ids[:, 0], plain_head(model)
    mask = attention(model, batch)
    if head is None:
        return logits(model, batch.ids, mask, batch.positions, 1)[:, -1, words].float()
    from zobench.engine.perturbed import rows  # imports torch

    last = hidden(model, batch.ids, mask, batch.positions)[:, -1]
    weight = rows(head, head.weight, words, batch.words.first)
    return last.float() @ weight.float().T  # fp32: a bf16 logit has 3 digits


def decide(model: PreTrainedModel, words: LabelWords, width: int) -> None:
    """Choose in advance how to compute the scores of rows of up to `width` tokens.

    Otherwise this would happen at the first such row, possibly between the probes of a call that
    share layers.
    """
    done = _decided.setdefault(model, set())
    if (words.lengths, width) in done:
        return
    done.add((words.lengths, width))
    for level in levels(width):
        few = example(model, level, words)
        check_rows(model, few)
        if not words.single:
            packs(model, few)
            continue
        plain_head(model)
        if waits(few.ids):
            obeys(model, few)


def evaluate(
    model: PreTrainedModel, split: Split, batch_size: int = EVALUATED
) -> tuple[float, float]:
    """Compute the mean loss and accuracy over a whole split, without gradients."""
    import torch
    from torch.nn.functional import cross_entropy

    loss, correct = 0.0, 0
    with torch.inference_mode():
        for batch in batches(split, batch_size):
            scores = label_scores(model, batch)
            loss += cross_entropy(scores, batch.labels, reduction="sum").item()
            correct += int((scores.argmax(1) == batch.labels).sum())
    return loss / len(split), correct / len(split)


def textbook_loss(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Compute the loss as published trainers do, as a reference for its value and cost.

    It takes one right-aligned sequence per label word, and the logits of the whole vocabulary at
    every position.
    """
    import torch
    from torch.nn.functional import cross_entropy, pad

    count, longest = len(batch.ids), max(batch.words.lengths)
    ids, mask = [], []
    for word, length in zip(batch.words.ids, batch.words.lengths):
        option = word[:length].expand(count, length)
        spare = (longest - length, 0)  # on the left
        ids.append(pad(torch.cat([batch.ids, option], 1), spare))
        mask.append(pad(torch.cat([batch.mask, torch.ones_like(option)], 1), spare))
    ids, mask = torch.cat(ids), torch.cat(mask)
    outputs = logits(model, ids, mask, (mask.cumsum(1) - 1).clamp(min=0), 0)
    log_p = outputs[:, :-1].float().log_softmax(-1).gather(2, ids[:, 1:, None])[:, :, 0]
    log_p = log_p.view(len(batch.words.lengths), count, -1)
    scores = [row[:, -length:].mean(1) for row, length in zip(log_p, batch.words.lengths)]
    return cross_entropy(torch.stack(scores, 1), batch.labels)


def plain_head(model: PreTrainedModel) -> nn.Linear | None:
    """Return the output embedding if logits are `hidden @ weight.T`, otherwise None.

    It is decided once per model: by its configuration (no scaling or capping of logits), then by
    comparing both ways on two rows, one of them padded.
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
    options = [key for key in model.config.to_dict() if "logit" in key or "lm_head" in key]
    if any(getattr(model.config, key, None) not in (None, False, 1) for key in options):
        return False
    ids = drawn(model, 8, 2)
    mask = torch.ones_like(ids)
    mask[1, :3] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        of_model = logits(model, ids, mask, positions, 1)[:, -1]
        of_head = head(hidden(model, ids, mask, positions)[:, -1])
    return near(of_model, of_head, model.dtype)
