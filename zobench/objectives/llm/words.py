"""Scores of label words of several tokens: all words of an example in one sequence.

The prompt comes once, then every word's tokens but its last. A token attends to the prompt and to
the earlier tokens of its own word, and stands at the position that it would have after the prompt.
So the words of an example share their prompt, in one forward pass without a cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from zobench.objectives.llm.forward import logits
from zobench.objectives.llm.masks import close, final

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

    from zobench.objectives.llm.batches import Batch

_packs: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()  # what `packs` found


def word_scores(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Mean log-probability of the tokens of each label word after the prompt, (rows, words)."""
    return packed(model, batch) if packs(model, batch) else repeated(model, batch)


def packs(model: PreTrainedModel, batch: Batch) -> bool:
    """Does the model obey positions and a mask of its own? Decided once a model, by comparison."""
    import torch

    if model not in _packs:
        few = batch.parts(2)[0]
        with torch.no_grad():
            slow = repeated(model, few)
            try:
                fast = packed(model, few)
            except (ValueError, RuntimeError, TypeError, IndexError):  # it takes no such mask
                _packs[model] = False
            else:
                _packs[model] = close(slow, fast, model.dtype)
    return _packs[model]


def packed(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """`word_scores`, all words of an example in one sequence."""
    import torch

    lengths, rows = batch.words.lengths, len(batch.ids)
    owner, step, places = batch.words.tail
    tails = [batch.words.ids[k, : n - 1] for k, n in enumerate(lengths)]
    ids = torch.cat([batch.ids, torch.cat(tails).expand(rows, -1)], 1)
    positions = torch.cat([batch.positions, batch.positions[:, -1:] + step], 1)
    told = logits(model, ids, final(batch.mask, owner, model.dtype), positions, len(owner) + 1)
    told = told.float().log_softmax(-1)
    scores = []
    for word, n, at in zip(batch.words.ids, lengths, places):
        tokens = word[:n].expand(rows, n)[:, :, None]
        scores.append(told[:, at].gather(2, tokens).mean((1, 2)))
    return torch.stack(scores, 1)


def repeated(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """`word_scores`, one sequence a word and row: for models that take no mask of their own."""
    import torch

    words, lengths = batch.words.ids, batch.words.lengths
    rows, (count, longest) = len(batch.ids), words.shape
    # Shorter words are padded on the right: what follows a token cannot change it.
    tails = words.repeat(rows, 1)  # (rows * count, longest)
    ids = torch.cat([batch.ids.repeat_interleave(count, 0), tails[:, :-1]], 1)
    mask = torch.cat([batch.mask.repeat_interleave(count, 0), torch.ones_like(tails[:, :-1])], 1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    told = logits(model, ids, mask, positions, longest)
    told = told.float().log_softmax(-1).gather(2, tails[:, :, None])[:, :, 0]
    sizes = torch.tensor(lengths, device=ids.device)
    inside = torch.arange(longest, device=ids.device) < sizes[:, None]  # (count, longest)
    return (told.view(rows, count, longest) * inside).sum(2) / sizes
