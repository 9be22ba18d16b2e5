"""Scores of label words of several tokens, with all words of an example in one sequence.

The sequence is the prompt, then every word's tokens without its last one. A token attends to the
prompt and to the earlier tokens of its own word, and has the position that it would have directly
after the prompt. So the words of an example share their prompt in one forward pass, without a
cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from zobench.objectives.llm.batches import final_mask
from zobench.objectives.llm.forward import logits
from zobench.objectives.llm.reach import TestResults, holds, near, sees_all

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from zobench.objectives.llm.batches import Batch
_packs: TestResults = WeakKeyDictionary()  # of `packs`, by the lengths of the words


def word_scores(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Compute mean log-probabilities of the label words' tokens after the prompt, (rows, words)."""
    return packed(model, batch) if packs(model, batch) else repeated(model, batch)


def packs(model: PreTrainedModel, batch: Batch) -> bool:
    """True if the model obeys the positions and the mask of packed words, at this width."""

    def same(few: Batch) -> bool:
        apart, together = _repeated(model, few), _packed(model, few)
        words = enumerate(zip(few.words.lengths, few.words.tail[2]))
        return all(near(apart[:, k, :n], together[:, at], model.dtype) for k, (n, at) in words)

    lengths, width = batch.words.lengths, batch.ids.shape[1]
    tail = sum(lengths) - len(lengths)
    fits = sees_all(model, width + tail)
    return fits and holds(_packs, model, lengths, width, same, batch.words, tail)


def packed(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Compute `word_scores` with all words of an example in one sequence."""
    import torch

    log_p = _packed(model, batch).float().log_softmax(-1)
    scores = []
    for word, n, at in zip(batch.words.ids, batch.words.lengths, batch.words.tail[2]):
        tokens = word[:n].expand(len(log_p), n)[:, :, None]
        scores.append(log_p[:, at].gather(2, tokens).mean((1, 2)))
    return torch.stack(scores, 1)


def _packed(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return logits (rows, 1 + tail, vocabulary) of the prompt's last token and those after it."""
    import torch

    owner, step, _ = batch.words.tail
    tails = [batch.words.ids[k, : n - 1] for k, n in enumerate(batch.words.lengths)]
    ids = torch.cat([batch.ids, torch.cat(tails).expand(len(batch.ids), -1)], 1)
    positions = torch.cat([batch.positions, batch.positions[:, -1:] + step], 1)
    return logits(model, ids, final_mask(batch.mask, owner, model.dtype), positions, len(owner) + 1)


def repeated(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Compute `word_scores` with one sequence per word and row, for models that do not pack."""
    import torch

    words, lengths = batch.words.ids, batch.words.lengths
    log_p, tokens = _repeated(model, batch).float().log_softmax(-1), words[..., None]
    log_p = log_p.gather(3, tokens.expand(len(log_p), *tokens.shape))[..., 0]
    sizes = torch.tensor(lengths, device=words.device)
    inside = torch.arange(words.shape[1], device=words.device) < sizes[:, None]
    return (log_p * inside).sum(2) / sizes


def _repeated(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return the logits (rows, words, longest, vocabulary) that predict each token of each word."""
    import torch

    rows, (count, longest) = len(batch.ids), batch.words.ids.shape
    # Shorter words are padded on the right: later tokens cannot change the logits of a token.
    tails = batch.words.ids.repeat(rows, 1)[:, :-1]  # (rows * count, longest - 1)
    ids = torch.cat([batch.ids.repeat_interleave(count, 0), tails], 1)
    mask = torch.cat([batch.mask.repeat_interleave(count, 0), torch.ones_like(tails)], 1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return logits(model, ids, mask, positions, longest).unflatten(0, (rows, count))
