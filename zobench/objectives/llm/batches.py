"""Splits encoded once, and the minibatch of a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from zobench.errors import BadInput
from zobench.objectives.llm.tasks import Row, Task

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST = 2048  # tokens; the limit of the MeZO protocol
EVALUATED = 125  # rows a forward pass when a whole split is evaluated


@dataclass(frozen=True)
class LabelWords:
    """The tokens of each label word."""

    ids: torch.Tensor  # int64 (words, longest), padded on the right
    lengths: tuple[int, ...]  # tokens of each word
    first: tuple[int, ...]  # the first token of each word, on the host

    @property
    def single(self) -> bool:
        """Whether every label word is one token: then one sequence an example is enough."""
        return max(self.lengths) == 1

    @cached_property
    def tail(self) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """All words but their last tokens, one after the other, as `words.packed` reads them.

        int64, on the words' device: whose each token is, its place after the prompt, and for each
        word the places of the logits that speak for its tokens (0: the prompt's last).
        """
        import torch

        def there(values: list[int]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.long, device=self.ids.device)

        with torch.inference_mode(False):  # a backward pass reads them too
            owner = there([k for k, n in enumerate(self.lengths) for _ in range(n - 1)])
            step = there([j for n in self.lengths for j in range(1, n)])
            starts = [1 + sum(n - 1 for n in self.lengths[:k]) for k in range(len(self.lengths))]
            places = [there([0, *range(s, s + n - 1)]) for s, n in zip(starts, self.lengths)]
        return owner, step, places


@dataclass(frozen=True)
class Batch:
    """What a loss reads. Padding stands on the left; label words follow the last token."""

    ids: torch.Tensor  # int64 (rows, tokens)
    mask: torch.Tensor  # int64 (rows, tokens), 0 on padding
    positions: torch.Tensor  # int64 (rows, tokens), 0 at the first real token
    labels: torch.Tensor  # int64 (rows,)
    words: LabelWords
    fixed: bool = False  # buffers of recorded calls: nobody may decide anything by their values
    _final: dict[torch.dtype, torch.Tensor] = field(default_factory=dict, repr=False)

    def final(self, dtype: torch.dtype) -> torch.Tensor:
        """The mask as attention adds it, (rows, 1, tokens, tokens), made once."""
        if dtype not in self._final:
            self._final[dtype] = final_mask(self.mask, self.mask.new_empty(0), dtype)
        return self._final[dtype]

    def parts(self, rows: int) -> list[Batch]:
        """Consecutive micro-batches of at most `rows` rows (0: the batch as it is)."""
        if not 0 < rows < len(self.labels):
            return [self]
        tensors = (self.ids, self.mask, self.positions, self.labels)
        split = zip(*(t.split(rows) for t in tensors))
        return [Batch(*part, words=self.words, fixed=self.fixed) for part in split]


@dataclass(frozen=True)
class Split:
    """Encoded rows, on the device of the model; `lengths` stays on the host, so that cutting a
    minibatch to its longest row needs no wait for the device."""

    ids: torch.Tensor  # int64 (rows, tokens), padded on the left
    mask: torch.Tensor  # int64 (rows, tokens)
    labels: torch.Tensor  # int64 (rows,)
    words: LabelWords
    lengths: torch.Tensor  # int64 (rows,), host

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: torch.Tensor) -> Batch:
        """The rows of these indices (host, int64), cut to the longest of them."""
        width = int(self.lengths[rows].max())
        there = rows.to(self.ids.device)
        mask = self.mask[there, -width:]
        positions = (mask.cumsum(1) - 1).clamp_(min=0)
        return Batch(self.ids[there, -width:], mask, positions, self.labels[there], self.words)


def room(model: PreTrainedModel) -> int:
    """The longest sequence a model takes, at most LONGEST tokens."""
    places = getattr(model.config, "max_position_embeddings", None) or LONGEST
    return min(LONGEST, places) if places > 0 else LONGEST  # some say -1 for any length


def encode(
    rows: Sequence[Row],
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    device: str | torch.device = "cpu",
) -> Split:
    """Tokenize a split of `task` once.

    A sequence is <s> (where the tokenizer has one), the prompt, and room for the longest label
    word. Where that exceeds `max_length` tokens, the prompt loses its first tokens: <s> and the
    end of the prompt, which asks the question, always stay.
    Raises BadInput if there are no rows, `max_length` leaves no room for a prompt, or a label
    word is not known to the tokenizer or the same as another.
    """
    import torch

    if not rows:
        raise BadInput(f"task {task.name!r}: a split has no rows")
    # Byte-pair tokenizers join the space to the label word and keep a line break in the prompt.
    prompts = [text + task.joiner.rstrip(" ") for text, _ in rows]
    texts = tokenizer(prompts, add_special_tokens=False, verbose=False)["input_ids"]
    words = _label_words(prompts, texts, task, tokenizer)
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    keep = max_length - len(start) - max(words.lengths)
    if keep < 1:
        raise BadInput(f"max_length={max_length} leaves no room for a prompt of task {task.name!r}")
    whole = [start + text[-keep:] for text in texts]
    lengths = torch.tensor([len(row) for row in whole])
    width = int(lengths.max())
    ids = torch.tensor([[pad_id(tokenizer)] * (width - len(row)) + row for row in whole])
    mask = (torch.arange(width) >= width - lengths[:, None]).long()
    labels = torch.tensor([label for _, label in rows])
    there = LabelWords(words.ids.to(device), words.lengths, words.first)
    return Split(ids.to(device), mask.to(device), labels.to(device), there, lengths)


def minibatch(split: Split, seed: int, batch_size: int) -> Batch:
    """`batch_size` different rows, decided by `seed` alone; no global generator is touched.

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
    """Every row once, rows of like length together."""
    for rows in split.lengths.argsort(stable=True).split(batch_size):
        yield split.take(rows)


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that fills rows on the left; any will do, as it is masked."""
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(token, int):
            return token
    return 0


def _label_words(
    prompts: list[str], texts: list[list[int]], task: Task, tokenizer: PreTrainedTokenizerBase
) -> LabelWords:
    """The tokens that each label word adds to a prompt, the same after every prompt."""
    import torch

    added = []
    for word in task.label_words:
        tail = task.joiner[len(task.joiner.rstrip(" ")) :] + word
        ends = tokenizer([text + tail for text in prompts], add_special_tokens=False, verbose=False)
        tails = {tuple(end[len(text) :]) for end, text in zip(ends["input_ids"], texts)}
        same = all(end[: len(text)] == text for end, text in zip(ends["input_ids"], texts))
        if len(tails) != 1 or not same:
            raise BadInput(f"label word {word!r} of task {task.name!r} merges with the prompt in "
                           "this tokenizer; use another label word or joiner")  # fmt: skip
        added.append(list(tails.pop()))
    known = [tokenizer.unk_token_id not in ids or tokenizer.unk_token_id is None for ids in added]
    if not all(known) or not all(added):
        word = task.label_words[known.index(False) if not all(known) else added.index([])]
        raise BadInput(f"label word {word!r} of task {task.name!r} is not known to the tokenizer")
    if len({tuple(ids) for ids in added}) < len(added):
        raise BadInput(f"task {task.name!r}: two of the label words {task.label_words} are the "
                       "same tokens")  # fmt: skip
    lengths = tuple(len(ids) for ids in added)
    padded = [ids + [ids[-1]] * (max(lengths) - len(ids)) for ids in added]
    return LabelWords(torch.tensor(padded), lengths, tuple(ids[0] for ids in added))


def final_mask(mask: torch.Tensor, owner: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What is added to attention, (rows, 1, length, length): 0 where a token may look.

    `mask` (rows, prompt): 0 on padding. `owner` (tail,): after the prompt, whose token each one
    is. A token sees itself and what comes earlier in the prompt and among its owner's tokens.
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
