"""What a whole process shares and results depend on, put back after code that may change it.

Not put back: what code replaces in other modules, `sys.path`, signal handlers, and the states of
random generators, which each run seeds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

Setting = tuple[Callable[[], Any], Callable[[Any], Any]]  # how it is read, how it is set


@contextmanager
def put_back() -> Iterator[None]:
    """Afterwards, the state of the process is what it was before.

    That is NumPy's error handling, decimal's context, warning filters, the locale, the working
    directory, the environment variables, and of PyTorch the default type and device, gradients,
    threads, precision and whether its algorithms are deterministic. A PyTorch that is loaded
    within gets the state that it has when it is loaded.
    """
    import decimal
    import warnings

    import numpy as np

    settings, fresh = _settings(), "torch" not in sys.modules
    before = _read(settings | ({} if fresh else _of_torch()))
    with ExitStack() as libraries:
        for manager in (np.errstate(), decimal.localcontext(), warnings.catch_warnings()):
            libraries.enter_context(manager)
        try:
            yield
        finally:
            _restore(settings, before)
            if "torch" in sys.modules:
                _restore(_of_torch(), _at_import() if fresh else before)


def _settings() -> dict[str, Setting]:
    import locale

    return {
        "locale": (
            lambda: locale.setlocale(locale.LC_ALL),
            lambda name: locale.setlocale(locale.LC_ALL, name),
        ),
        "folder": (os.getcwd, os.chdir),
        "environ": (lambda: dict(os.environ), _set_environ),
    }


def _set_environ(wanted: dict[str, str]) -> None:
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)


def _of_torch() -> dict[str, Setting]:
    import torch

    def of(holder: Any, name: str) -> Setting:
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


def _at_import() -> dict[str, Any]:
    """What PyTorch's settings are when it is loaded."""
    import torch

    threads = os.environ.get("OMP_NUM_THREADS", "")
    known = {"threads": int(threads)} if threads.isdecimal() and int(threads) else {}
    return known | {
        "dtype": torch.float32,
        "device": "cpu",
        "gradients": True,
        "precision": "highest",
        "deterministic": 0,
        "cudnn deterministic": False,
        "cudnn benchmark": False,
    }


def _read(settings: dict[str, Setting]) -> dict[str, Any]:
    values = {}
    for name, (get, _) in settings.items():
        with suppress(Exception):  # a working directory that was deleted, say
            values[name] = get()
    return values


def _restore(settings: dict[str, Setting], before: dict[str, Any]) -> None:
    for name, (get, put) in settings.items():
        if name in before:
            with suppress(Exception):  # of functions that the code has replaced
                if get() != before[name]:
                    put(before[name])
