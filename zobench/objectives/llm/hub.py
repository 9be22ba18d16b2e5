"""Talking to the model and data hub: one clear line when something is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zobench.errors import BadInput


@contextmanager
def one_line(what: str, hint: str) -> Iterator[None]:
    """Whatever the hub's packages say of `what` they cannot load, as one BadInput line."""
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise BadInput(f"cannot load {what}: {reason}; {hint}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars, and no retry warnings: an unreachable hub is told once, by the error."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging as bars

    verbosity, shown = hub.get_verbosity(), bars.is_progress_bar_enabled()
    hub.set_verbosity_error()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        hub.set_verbosity(verbosity)
        if shown:
            bars.enable_progress_bar()
