"""Talking to the model and data hub: one clear line when something is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError

from zobench.errors import BadInput
from zobench.objectives.llm.memory import WORDS

# What readers of damaged files raise.
FAULTS = (
    OSError,
    ValueError,
    LookupError,
    ImportError,
    RuntimeError,
    EOFError,
    TypeError,
    AttributeError,
)


@contextmanager
def one_line(what: str, hint: str) -> Iterator[None]:
    """Whatever the hub's packages say of `what` they cannot load, as one BadInput line."""
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except (*FAULTS, UnpicklingError, SafetensorError) as error:
        if any(word in str(error) for word in WORDS):
            raise  # there is too little memory: not a fault of what was asked for
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise BadInput(f"cannot load {what}: {reason}; {hint}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no warnings: what is wrong is told once, by an error."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging as bars

    before, shown = [log.get_verbosity() for log in (hub, bars)], bars.is_progress_bar_enabled()
    hub.set_verbosity_error()
    bars.set_verbosity_error()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        hub.set_verbosity(before[0])
        bars.set_verbosity(before[1])
        if shown:
            bars.enable_progress_bar()
