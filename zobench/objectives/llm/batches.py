"""Encoded splits of a task, and the minibatch of a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from zobench.errors import BadInput
from zobench.objectives.llm.tasks import LabelledText, Task

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST = 2048  # tokens; the limit of the MeZO protocol
EVALUATED = 125  # rows per forward pass when a whole split is evaluated


@dataclass(frozen=True)
class LabelWords:
    """The tokens of each label word."""

    ids: torch.Tensor  # int64 (words, longest), padded on the right
    lengths: tuple[int, ...]  # tokens of each word
    first: tuple[int, ...]  # the first token of each word, as Python numbers

    @property
    def single(self) -> bool:
        """True if every label word is one token, so that one sequence per example is enough."""
        return max(self.lengths) == 1

    @cached_property
    def tail(self) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Indices of all words without their last tokens, one after the other, for `words.packed`.

        int64, on the words' device: the word of each token, the token's position after the prompt,
        and per word the indices of the logits that predict its tokens (0: the prompt's last token).
        """
        import torch

        def on_device(values: list[int]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.long, device=self.ids.device)

        with torch.inference_mode(False):  # a backward pass also reads them
            owner = on_device([k for k, n in enumerate(self.lengths) for _ in range(n - 1)])
            step = on_device([j for n in self.lengths for j in range(1, n)])
            starts = [1 + sum(n - 1 for n in self.lengths[:k]) for k in range(len(self.lengths))]
            indices = [on_device([0, *range(s, s + n - 1)]) for s, n in zip(starts, self.lengths)]
        return owner, step, indices


@dataclass(frozen=True)
class Batch:
    """The input of a loss: texts with padding on the left; label words follow the last token."""

    ids: torch.Tensor  # int64 (rows, tokens)
    mask: torch.Tensor  # int64 (rows, tokens), 0 on padding
    positions: torch.Tensor  # int64 (rows, tokens), 0 at the first real token
    labels: torch.Tensor  # int64 (rows,)
    words: LabelWords
    fixed: bool = False  # True for buffers of recorded calls, whose values no code may test
    _final: dict[torch.dtype, torch.Tensor] = field(default_factory=dict, repr=False)

    def final(self, dtype: torch.dtype) -> torch.Tensor:
        """Return the mask that attention adds, (rows, 1, tokens, tokens); it is made once."""
        if dtype not in self._final:
            self._final[dtype] = final_mask(self.mask, self.mask.new_empty(0), dtype)
        return self._final[dtype]

    def parts(self, rows: int) -> list[Batch]:
        """Split into consecutive micro-batches of at most `rows` rows (0: one micro-batch)."""
        if not 0 < rows < len(self.labels):
            return [self]
        tensors = (self.ids, self.mask, self.positions, self.labels)
        split = zip(*(t.split(rows) for t in tensors))
        return [Batch(*part, words=self.words, fixed=self.fixed) for part in split]


@dataclass(frozen=True)
class Split:
    """Encoded rows on the model's device.

    `lengths` is on the CPU, so that a minibatch is cut to its longest row without waiting for the
    device.
    """

    ids: torch.Tensor  # int64 (rows, tokens), padded on the left
    mask: torch.Tensor  # int64 (rows, tokens)
    labels: torch.Tensor  # int64 (rows,)
    words: LabelWords
    lengths: torch.Tensor  # int64 (rows,), on the CPU

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: torch.Tensor) -> Batch:
        """Return the rows of these indices (int64, on the CPU), cut to the longest of them."""
        width = int(self.lengths[rows].max())
        index = rows.to(self.ids.device)
        mask = self.mask[index, -width:]
        positions = (mask.cumsum(1) - 1).clamp_(min=0)
        return Batch(self.ids[index, -width:], mask, positions, self.labels[index], self.words)


def room(model: PreTrainedModel) -> int:
    """Return the length of the longest sequence that a model takes, at most LONGEST tokens."""
    positions = getattr(model.config, "max_position_embeddings", None) or LONGEST
    return min(LONGEST, positions) if positions > 0 else LONGEST  # -1 means any length


def encode(
    rows: Sequence[LabelledText],
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    device: str | torch.device = "cpu",
) -> Split:
    """Tokenize a split of `task` once.

    A sequence is <s> (if the tokenizer has one), the prompt, and room for the longest label word.
    If that exceeds `max_length` tokens, the prompt loses its first tokens: <s> and the end of the
    prompt, which asks the question, always remain. Raises BadInput if there are no rows, if
    `max_length` leaves no room for a prompt, or if the tokenizer does not know a label word or
    gives two of them the same tokens.
    """
    import torch

    if not rows:
        raise BadInput(f"task {task.name!r}: a split has no rows")
    # Byte-pair tokenizers join the space to the label word and keep a line break in the prompt.
    prompts = [text + task.joiner.rstrip(" ") for text, _ in rows]
    texts = tokenizer(prompts, add_special_tokens=False, verbose=False)["input_ids"]
    words = _label_words(prompts, texts, task, tokenizer)
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    most = max_length - len(start) - max(words.lengths)
    if most < 1:
        raise BadInput(f"max_length={max_length} leaves no room for a prompt of task {task.name!r}")
    sequences = [start + text[-most:] for text in texts]
    lengths = torch.tensor([len(row) for row in sequences])
    width = int(lengths.max())
    ids = torch.tensor([[pad_id(tokenizer)] * (width - len(row)) + row for row in sequences])
    mask = (torch.arange(width) >= width - lengths[:, None]).long()
    labels = torch.tensor([label for _, label in rows])
    words = LabelWords(words.ids.to(device), words.lengths, words.first)
    return Split(ids.to(device), mask.to(device), labels.to(device), words, lengths)


def minibatch(split: Split, seed: int, batch_size: int) -> Batch:
    """Draw `batch_size` different rows by `seed` alone, without a global generator.

    Equal seeds give equal rows on every device. A batch as large as the split, or larger, is the
    whole split in its own order.
    """
    import torch

    if batch_size < 1:
        raise BadInput(f"batch_size={batch_size} is not a positive number")
    if batch_size >= len(split):
        return split.take(torch.arange(len(split)))
    generator = torch.Generator().manual_seed(seed & (2**64 - 1))
    return split.take(torch.randperm(len(split), generator=generator)[:batch_size])


def batches(split: Split, batch_size: int = EVALUATED) -> Iterator[Batch]:
    """Yield batches with every row once; rows of similar length share a batch."""
    for rows in split.lengths.argsort(stable=True).split(batch_size):
        yield split.take(rows)


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token for padding on the left; any token is right, because it is masked."""
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(token, int):
            return token
    return 0


def _label_words(
    prompts: list[str], texts: list[list[int]], task: Task, tokenizer: PreTrainedTokenizerBase
) -> LabelWords:
    """Return the tokens that each label word adds to a prompt, which must not depend on it."""
    import torch

    added: list[list[int]] = []
    for word in task.label_words:
        tail = task.joiner[len(task.joiner.rstrip(" ")) :] + word
        ends = tokenizer([text + tail for text in prompts], add_special_tokens=False, verbose=False)
        tails = {tuple(end[len(text) :]) for end, text in zip(ends["input_ids"], texts)}
        same = all(end[: len(text)] == text for end, text in zip(ends["input_ids"], texts))
        if len(tails) != 1 or not same:
            raise BadInput(f"label word {word!r} of task {task.name!r} merges with the prompt in "
                           "this tokenizer; use another label word or joiner")  # fmt: skip
        added.append(list(tails.pop()))
    unknown = tokenizer.unk_token_id
    for word, ids in zip(task.label_words, added):
        if not ids or (unknown is not None and unknown in ids):
            raise BadInput(
                f"label word {word!r} of task {task.name!r} is not known to the tokenizer"
            )
    if len({tuple(ids) for ids in added}) < len(added):
        raise BadInput(f"task {task.name!r}: two of the label words {task.label_words} are the "
                       "same tokens")  # fmt: skip
    lengths = tuple(len(ids) for ids in added)
    padded = [ids + [ids[-1]] * (max(lengths) - len(ids)) for ids in added]
    return LabelWords(torch.tensor(padded), lengths, tuple(ids[0] for ids in added))


def final_mask(mask: torch.Tensor, owner: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Make the mask that attention adds, (rows, 1, length, length): 0 for tokens that are read.

    `mask` (rows, prompt) is 0 on padding. `owner` (tail,) is the label word of each token after the
    prompt. A token reads itself, the earlier tokens of the prompt, and those of its own word.
    """
    import torch

    rows, prompt = mask.shape
    owners = torch.cat([owner.new_full((prompt,), -1), owner])
    length = len(owners)
    same = (owners[None, :] == -1) | (owners[None, :] == owners[:, None])
    earlier = torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
    real = torch.cat([mask, mask.new_ones(rows, length - prompt)], 1).bool()
    itself = torch.eye(length, dtype=torch.bool, device=mask.device)  # padding: no empty row
    allowed = (same & earlier & real[:, None, :]) | itself
    added = torch.zeros(allowed.shape, dtype=dtype, device=mask.device)
    return added.masked_fill_(~allowed, torch.finfo(dtype).min)[:, None]
