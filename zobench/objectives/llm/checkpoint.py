"""Check that a checkpoint holds all weights of a language model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zobench.errors import FEW, BadInput
from zobench.objectives.llm.decoder import NEEDED

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

CLASSIFIERS = ("Classification", "QuestionAnswering", "MultipleChoice")  # ends of class names


def check_complete(config: PreTrainedConfig, info: Mapping[str, Iterable[Any]]) -> None:
    """Raise BadInput if a checkpoint is not a language model or lacks some of its weights.

    `info` is the loading info of `from_pretrained`. Missing weights would be random.
    """
    saved = ", ".join(config.architectures or ()) or "a model without a name"
    if saved.endswith(CLASSIFIERS):
        raise BadInput(f"the checkpoint is a classifier, {saved}; {NEEDED}")
    if keys := sorted(info["missing_keys"]):
        raise BadInput(
            f"the checkpoint, saved as {saved}, lacks {len(keys)} of the weights that predict the "
            f"next token, and they would be random: {_some(keys)}; give one that was saved with "
            "its language-model head"
        )
    if keys := sorted(key for key, *_ in info["mismatched_keys"]):
        raise BadInput(
            f"{len(keys)} weights have other shapes in the checkpoint than by config.json, and "
            f"they would be random: {_some(keys)}; give a config.json that fits the weights"
        )


def _some(names: Sequence[str]) -> str:
    """List the first few names and the number of the others."""
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more


@contextmanager
def naming(model: str) -> Iterator[None]:
    """Put the name of the model at the front of BadInput errors."""
    try:
        yield
    except BadInput as error:
        raise BadInput(f"model {model!r}: {error}") from error
