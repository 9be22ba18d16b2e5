"""State of the process that results depend on, restored after code that may change it.

Not restored are names that code replaces in other modules, `sys.path`, signal handlers, and the
states of random generators, which each run seeds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

Accessor = tuple[Callable[[], Any], Callable[[Any], Any]]  # reads a state, sets it


@contextmanager
def restored() -> Iterator[None]:
    """Restore the state of the process at the end of the context.

    That is NumPy's error handling, decimal's context, warning filters, the locale, the working
    directory, the environment variables, and of PyTorch the default type and device, gradients,
    threads, precision and whether its algorithms are deterministic. If PyTorch is loaded within the
    context, it gets the state that it has when it is loaded.
    """
    import decimal
    import warnings

    import numpy as np

    accessors, is_without_torch = _accessors(), "torch" not in sys.modules
    before = _read(accessors | ({} if is_without_torch else _torch_accessors()))
    with ExitStack() as libraries:
        for manager in (np.errstate(), decimal.localcontext(), warnings.catch_warnings()):
            libraries.enter_context(manager)
        try:
            yield
        finally:
            _restore(accessors, before)
            if "torch" in sys.modules:
                _restore(_torch_accessors(), _torch_at_import() if is_without_torch else before)


def _accessors() -> dict[str, Accessor]:
    import locale

    return {
        "locale": (
            lambda: locale.setlocale(locale.LC_ALL),
            lambda name: locale.setlocale(locale.LC_ALL, name),
        ),
        "folder": (os.getcwd, os.chdir),
        "environ": (lambda: dict(os.environ), _set_environ),
    }


def _set_environ(values: dict[str, str]) -> None:
    for name in os.environ.keys() - values.keys():
        del os.environ[name]
    os.environ.update(values)


def _torch_accessors() -> dict[str, Accessor]:
    import torch

    def of(holder: Any, name: str) -> Accessor:
        return lambda: getattr(holder, name), lambda value: setattr(holder, name, value)

    return {
        "dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "device": (
            lambda: str(torch.get_default_device()),
            lambda name: torch.set_default_device(None if name == "cpu" else name),
        ),
        "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
        "threads": (torch.get_num_threads, torch.set_num_threads),
        "precision": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "deterministic": (
            torch.get_deterministic_debug_mode,
            torch.set_deterministic_debug_mode,
        ),
        "cudnn deterministic": of(torch.backends.cudnn, "deterministic"),
        "cudnn benchmark": of(torch.backends.cudnn, "benchmark"),
    }


def _torch_at_import() -> dict[str, Any]:
    """Return the state of PyTorch when it is loaded."""
    import torch

    threads = os.environ.get("OMP_NUM_THREADS", "")
    state = {"threads": int(threads)} if threads.isdecimal() and int(threads) else {}
    return state | {
        "dtype": torch.float32,
        "device": "cpu",
        "gradients": True,
        "precision": "highest",
        "deterministic": 0,
        "cudnn deterministic": False,
        "cudnn benchmark": False,
    }


def _read(accessors: dict[str, Accessor]) -> dict[str, Any]:
    values = {}
    for name, (get, _) in accessors.items():
        with suppress(Exception):  # such as a working directory that was deleted
            values[name] = get()
    return values


def _restore(accessors: dict[str, Accessor], before: dict[str, Any]) -> None:
    for name, (get, put) in accessors.items():
        if name in before:
            with suppress(Exception):  # in functions that the code has replaced
                if get() != before[name]:
                    put(before[name])
