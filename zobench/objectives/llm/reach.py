"""How long sequences may be that a model is given in another form than its own.

A mask of our own, label words in one sequence, padding between a prompt and its text: each is
faster, and each is wrong for a model whose tokens look back a limited number of places (sliding
windows, chunks), or that keeps a state. Such a model may take the form for short sequences, or
never. That is found by comparison on random tokens, at lengths that are powers of two: it depends
on the model and on the length alone, and not on the rows that happen to come first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, MutableMapping
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

from zobench.errors import BadInput

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

    from zobench.objectives.llm.batches import Batch, LabelWords

UNITS = 256  # in the last place: how far rounding may take equal numbers apart
SHORTEST = 8  # tokens; no length below is looked at
NO_LIMIT = ("pattern", "layers", "feed_forward", "lm_head")  # ends of names that count no tokens

# What was found of a model, by form and length.
Found: TypeAlias = "MutableMapping[nn.Module, dict[tuple[Hashable, int], bool]]"
_limits: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


def holds(
    found: Found,
    model: PreTrainedModel,
    form: Hashable,
    width: int,
    same: Callable[[Batch], bool],
    words: LabelWords,
    after: int = 0,
) -> bool:
    """Whether a model may be given the form `form` for prompts of `width` tokens.

    found: where this is kept. width: tokens of a prompt; `after`: how many the form puts after it.
    same: whether a batch of random tokens gives the same in this form and in the model's own.
    """
    mine, level = found.setdefault(model, {}), _level(model, width, words, after)
    if (form, level) not in mine:
        import torch

        with torch.no_grad():
            try:
                mine[form, level] = same(example(model, level, words))
            except BadInput:
                raise  # of a model that cannot be used at all
            except (ValueError, RuntimeError, TypeError, IndexError, AttributeError, KeyError):
                mine[form, level] = False  # the model does not take it
    return mine[form, level]


def sees_all(model: PreTrainedModel, tokens: int) -> bool:
    """Whether a sequence of so many tokens fits into the windows that the configuration names."""
    if model not in _limits:
        _limits[model] = window(model)
    return tokens <= _limits[model]


def levels(width: int) -> Iterator[int]:
    """Widths that between them stand for all up to `width`, ascending."""
    level = SHORTEST
    while level < width:
        yield level
        level *= 2
    yield width


def _level(model: PreTrainedModel, width: int, words: LabelWords, after: int) -> int:
    """The next power of two, or the most tokens that the model has places for."""
    from zobench.objectives.llm.batches import room

    most = room(model) - max(words.lengths)
    if sees_all(model, width + after):
        most = min(most, _limits[model] - after)
    return min(max(SHORTEST, 1 << (width - 1).bit_length()), max(width, most))


def window(model: PreTrainedModel) -> int:
    """The least number of tokens that the configuration names as a window or a chunk.

    In 16 bits, a comparison need not show that a few tokens out of many are not looked at.
    """
    config = model.config.get_text_config(decoder=True)
    found = [
        value
        for key, value in vars(config).items()
        if ("window" in key or "chunk" in key) and not key.endswith(NO_LIMIT)
        and isinstance(value, int) and value > 0 and not isinstance(value, bool)
    ]  # fmt: skip
    return min([*found, rope_length(model)])


def rope_length(model: PreTrainedModel) -> int:
    """The most tokens for which rotary positions do not depend on the length of the batch.

    Beyond, "longrope" and "dynamic" take other frequencies for all rows of a batch.
    """
    config = model.config.get_text_config(decoder=True)
    told = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    most, lengths = getattr(config, "max_position_embeddings", None), []
    for table in (told, *(part for part in told.values() if isinstance(part, dict))):
        kind = str(table.get("rope_type") or table.get("type"))
        own = table.get("original_max_position_embeddings")
        own = own or getattr(config, "original_max_position_embeddings", None)
        if kind == "longrope":
            lengths.append(own or most)
        elif "dynamic" in kind:
            lengths.append(most)
    return min((n for n in lengths if n), default=1 << 30)


def example(model: PreTrainedModel, tokens: int, words: LabelWords) -> Batch:
    """Two rows of random tokens: one of this length, and one of five eighths of it, padded."""
    import torch

    from zobench.objectives.llm.batches import Batch

    ids = drawn(model, tokens, 2)
    mask = torch.ones_like(ids)
    mask[1, : tokens * 3 // 8] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return Batch(ids, mask, positions, ids.new_zeros(2), words)


def drawn(model: PreTrainedModel, tokens: int, rows: int = 1) -> torch.Tensor:
    """Random tokens (rows, tokens), int64, on the model's device; the same at every call."""
    import torch

    table = model.get_input_embeddings().weight
    with torch.inference_mode(False):
        generator = torch.Generator().manual_seed(tokens)
        ids = torch.randint(len(table), (rows, tokens), generator=generator)  # pyright: ignore
        return ids.to(table.device)  # pyright: ignore[reportArgumentType, reportCallIssue]


def near(a: torch.Tensor, b: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether two tensors, computed in `dtype`, differ by no more than rounding.

    The measure is the largest number: UNITS of its last places, or half of its digits.
    """
    import torch

    eps = torch.finfo(dtype).eps
    if torch.get_float32_matmul_precision() != "highest":
        eps = max(eps, torch.finfo(torch.float16).eps)
    a, b = a.float(), b.float()
    apart = torch.where(a == b, 0.0, (a - b).abs()).max()  # infinite ones may be equal
    scale = a.abs().nan_to_num(posinf=0.0).max()
    return a.shape == b.shape and bool(apart <= min(UNITS * eps, eps**0.5) * scale)
