"""Test up to which length a model may be run in a faster form.

The faster forms are a mask in its final form, label words in one sequence, and padding between a
prompt and its text. Each is wrong for a model whose tokens read a limited number of earlier tokens
(sliding windows, chunks), or that keeps a state; such a model may take the form for short sequences
only, or not at all. The test compares both forms on random tokens, at lengths that are powers of
two. Its result depends on the model and the length alone, and not on the rows that come first.
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

UNITS = 256  # in the last place: the largest difference that counts as rounding
SHORTEST = 8  # tokens; the least length that is tested
NO_LIMIT = ("pattern", "layers", "feed_forward", "lm_head")  # ends of names that count no tokens

# The results of a test for each model, by form and length.
TestResults: TypeAlias = "MutableMapping[nn.Module, dict[tuple[Hashable, int], bool]]"
_limits: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


def holds(
    results: TestResults,
    model: PreTrainedModel,
    form: Hashable,
    width: int,
    same: Callable[[Batch], bool],
    words: LabelWords,
    after: int = 0,
) -> bool:
    """True if a model may be run in the form `form` for prompts of `width` tokens.

    `results` stores the results. `after` is the number of tokens that the form puts after a prompt.
    `same` tells whether a batch of random tokens gives equal values in this form and in the model's
    own.
    """
    of_model, level = results.setdefault(model, {}), _level(model, width, words, after)
    if (form, level) not in of_model:
        import torch

        with torch.no_grad():
            try:
                of_model[form, level] = same(example(model, level, words))
            except BadInput:
                raise  # the model cannot be used at all
            except (ValueError, RuntimeError, TypeError, IndexError, AttributeError, KeyError):
                of_model[form, level] = False  # the model does not take this form
    return of_model[form, level]


def sees_all(model: PreTrainedModel, tokens: int) -> bool:
    """True if a sequence of so many tokens fits into the windows that the configuration names."""
    if model not in _limits:
        _limits[model] = window(model)
    return tokens <= _limits[model]


def levels(width: int) -> Iterator[int]:
    """Yield widths, ascending, whose tests together cover all widths up to `width`."""
    level = SHORTEST
    while level < width:
        yield level
        level *= 2
    yield width


def _level(model: PreTrainedModel, width: int, words: LabelWords, after: int) -> int:
    """Return the next power of two, or the most tokens that the model has positions for."""
    from zobench.objectives.llm.batches import room

    most = room(model) - max(words.lengths)
    if sees_all(model, width + after):
        most = min(most, _limits[model] - after)
    return min(max(SHORTEST, 1 << (width - 1).bit_length()), max(width, most))


def window(model: PreTrainedModel) -> int:
    """Return the least number of tokens that the configuration names as a window or a chunk.

    In 16 bits, a comparison may not show that a few tokens out of many are not read.
    """
    config = model.config.get_text_config(decoder=True)
    windows = [
        value
        for key, value in vars(config).items()
        if ("window" in key or "chunk" in key) and not key.endswith(NO_LIMIT)
        and isinstance(value, int) and value > 0 and not isinstance(value, bool)
    ]  # fmt: skip
    return min([*windows, rope_length(model)])


def rope_length(model: PreTrainedModel) -> int:
    """Return the most tokens for which rotary positions do not depend on the batch's length.

    For longer batches, "longrope" and "dynamic" take other frequencies for all rows.
    """
    config = model.config.get_text_config(decoder=True)
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    most, lengths = getattr(config, "max_position_embeddings", None), []
    for table in (rope, *(part for part in rope.values() if isinstance(part, dict))):
        kind = str(table.get("rope_type") or table.get("type"))
        original = table.get("original_max_position_embeddings")
        original = original or getattr(config, "original_max_position_embeddings", None)
        if kind == "longrope":
            lengths.append(original or most)
        elif "dynamic" in kind:
            lengths.append(most)
    return min((n for n in lengths if n), default=1 << 30)


def example(model: PreTrainedModel, tokens: int, words: LabelWords) -> Batch:
    """Make two rows of random tokens: one of this length, and one of 5/8 of it, padded."""
    import torch

    from zobench.objectives.llm.batches import Batch

    ids = drawn(model, tokens, 2)
    mask = torch.ones_like(ids)
    mask[1, : tokens * 3 // 8] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return Batch(ids, mask, positions, ids.new_zeros(2), words)


def drawn(model: PreTrainedModel, tokens: int, rows: int = 1) -> torch.Tensor:
    """Draw random tokens (rows, tokens), int64, on the model's device; equal at every call."""
    import torch

    table = model.get_input_embeddings().weight
    with torch.inference_mode(False):
        generator = torch.Generator().manual_seed(tokens)
        ids = torch.randint(len(table), (rows, tokens), generator=generator)  # pyright: ignore
        return ids.to(table.device)  # pyright: ignore[reportArgumentType, reportCallIssue]


def near(a: torch.Tensor, b: torch.Tensor, dtype: torch.dtype) -> bool:
    """True if two tensors that were computed in `dtype` differ by no more than rounding.

    The bound is relative to the largest number: UNITS of its last place, or half of its digits.
    """
    import torch

    eps = torch.finfo(dtype).eps
    if torch.get_float32_matmul_precision() != "highest":
        eps = max(eps, torch.finfo(torch.float16).eps)
    a, b = a.float(), b.float()
    difference = torch.where(a == b, 0.0, (a - b).abs()).max()  # infinite ones may be equal
    scale = a.abs().nan_to_num(posinf=0.0).max()
    return a.shape == b.shape and bool(difference <= min(UNITS * eps, eps**0.5) * scale)
