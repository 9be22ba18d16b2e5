"""zobench: zeroth-order optimization, benchmarked in queries, seconds and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zobench.api.comparison import Comparison, compare
    from zobench.api.factory import make

__version__ = "0.2.0"
__all__ = ["Comparison", "__version__", "compare", "make"]

_LAZY = {"Comparison": "comparison", "compare": "comparison", "make": "factory"}


def __getattr__(name: str) -> Any:
    """`zobench.compare` and `zobench.make`, loaded when they are used."""
    if name not in _LAZY:
        raise AttributeError(f"module 'zobench' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"zobench.api.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
