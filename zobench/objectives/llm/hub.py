"""Access to the model and data hub, with one clear line if something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError

from zobench.errors import BadInput
from zobench.objectives.llm.memory import WORDS

# Exceptions that readers of damaged files raise.
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
    """Turn what the hub's packages raise into one BadInput line: `what` cannot be loaded."""
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except (*FAULTS, UnpicklingError, SafetensorError) as error:
        if any(word in str(error) for word in WORDS):
            raise  # too little memory, which is not a fault of the model or the data
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise BadInput(f"cannot load {what}: {reason}; {hint}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Turn off progress bars and warnings; faults are reported once, by an error."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging as bars

    before, had_bars = [log.get_verbosity() for log in (hub, bars)], bars.is_progress_bar_enabled()
    hub.set_verbosity_error()
    bars.set_verbosity_error()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        hub.set_verbosity(before[0])
        bars.set_verbosity(before[1])
        if had_bars:
            bars.enable_progress_bar()
