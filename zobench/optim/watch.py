"""Hooks on a module that write delayed moves before other code reads its weights."""

from __future__ import annotations

import sys
import weakref
from typing import Any

import torch
from torch import nn

from zobench.errors import BadInput
from zobench.optim.delayed import DelayedParams
from zobench.optim.refusals import scripted

# parameters() calls the first, to() and the like the second; peft walks the modules to merge
_FLUSHING = ("named_parameters", "_apply", "named_modules", "named_children")
_HOOKS = ("_forward_pre_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks")


class Flush:
    """A hook of any kind that writes delayed moves. A copy of it, also a pickled one, does nothing.

    It holds the params, not the optimizer: a module whose optimizer is gone still gets its moves.
    """

    def __init__(self, weights: DelayedParams | None = None) -> None:
        self.weights = weights

    def __call__(self, *_: Any, **__: Any) -> None:
        """Write delayed moves, if there are any."""
        if self.weights is not None and self.weights.waiting:
            self.weights.flush()

    def __deepcopy__(self, memo: dict[int, Any]) -> Flush:
        return Flush()

    def __reduce__(self) -> tuple[type[Flush], tuple[()]]:
        return Flush, ()


class FlushHooks:
    """Make a module and all modules in it flush before they run, or are listed, saved or copied.

    Covered: calling any of the modules, listing parameters or modules, train() and eval(),
    state_dict(), load_state_dict(), to() and the like, copy.deepcopy, pickling. Not covered, as no
    code of the module runs: reading an attribute such as `layer.weight`.
    """

    def __init__(self, module: nn.Module, weights: DelayedParams) -> None:
        """Set the hooks. Raises BadInput for modules of torch.jit, which take none."""
        if scripted(module):
            raise BadInput("delay=True needs hooks, which modules of torch.jit do not take")
        if "torch._dynamo" in sys.modules:  # code that it compiled before calls no hooks
            torch._dynamo.reset()
        self.flush, self.handles, self.modules = Flush(weights), [], []
        for part in module.modules():
            self.handles += [
                part.register_forward_pre_hook(self.flush, prepend=True),
                part.register_state_dict_pre_hook(self.flush),
                part.register_load_state_dict_pre_hook(self.flush),
            ]
            if not hasattr(type(part), "__deepcopy__"):  # else copies of it would keep the hooks
                self.modules.append(weakref.ref(part))
                for name in _FLUSHING:
                    part.__dict__[name] = _Flushing(self.flush, part, name)
                part.__dict__["__reduce_ex__"] = _Reduce(self.flush, part, "__reduce_ex__")

    def close(self) -> None:
        """Write delayed moves, and take the hooks off the module."""
        self.flush()
        for handle in self.handles:
            handle.remove()
        for part in filter(None, (reference() for reference in self.modules)):
            for name in (*_FLUSHING, "__reduce_ex__"):
                own = part.__dict__.get(name)
                if isinstance(own, _Flushing) and own.flush is self.flush:
                    del part.__dict__[name]
                    if own.former is not None:
                        part.__dict__[name] = own.former
        self.handles, self.modules = [], []


class _Flushing:
    """A method of one module that flushes first. It does not keep the module alive."""

    __func__ = None  # torch.compile reads it from methods

    def __init__(self, flush: Flush, module: nn.Module, name: str) -> None:
        self.flush, self.module, self.name = flush, weakref.ref(module), name
        self.former = module.__dict__.get(name)  # what another library put there

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.flush()
        if self.former is not None:
            return self.former(*args, **kwargs)
        return self.plain(*args, **kwargs)

    @property
    def plain(self) -> Any:
        """The method of the class, bound to the module."""
        module = self.module()
        return getattr(type(module), self.name).__get__(module)


class _Reduce(_Flushing):
    """The `__reduce_ex__` of a module: its exact state, without the hooks."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        make, given, state, *rest = super().__call__(*args, **kwargs)
        if isinstance(state, dict):
            state = {k: _former(v) for k, v in state.items() if _former(v) is not None or v is None}
            for name in _HOOKS:
                hooks = state.get(name) or {}
                others = {k: v for k, v in hooks.items() if not _is_flush(v)}
                if len(others) < len(hooks):
                    state[name] = type(hooks)(others)
        return make, given, state, *rest


def _former(value: Any) -> Any:
    return value.former if isinstance(value, _Flushing) else value


def _is_flush(hook: Any) -> bool:
    return isinstance(getattr(hook, "hook", hook), Flush)
