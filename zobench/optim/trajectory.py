"""Replay the record of a run: seeds and scalars, from which the same weights are made again.

A record is gzipped lines of JSON. The first describes estimator and weights; each other is an
event (probes were made, a rule was applied to a recipe, delayed moves were written), or a sum over
the lines before it. Replaying makes the same additions in the same order and rounding, so the
weights are equal to the last bit on the same kind of device, for any rule (Adam keeps its moments
while it replays). Nothing that a record names is imported or run.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from zobench.core.directions import Mask
from zobench.core.fixed import locked
from zobench.core.rules import Rule
from zobench.engine.ties import place
from zobench.errors import BadInput
from zobench.optim import classes
from zobench.optim.delayed import DelayedParams
from zobench.optim.functions import is_function
from zobench.optim.reading import Record
from zobench.optim.restore import Reader
from zobench.optim.scaled import Scaled
from zobench.optim.trained import trained_tensors
from zobench.registry import Entry, estimators

if TYPE_CHECKING:
    from torch.optim.optimizer import ParamsT


def blocks(weights: DelayedParams) -> list[list[Any]]:
    """Return the name, shape and type of each block, to compare with those of a record."""
    return [[b.name, list(b.shape), str(b.data.dtype)] for b in weights.blocks]


def digest(weights: DelayedParams) -> str:
    """Return a hash of 64 numbers of each block, which shows that weights are others."""
    sample = hashlib.blake2b(digest_size=16)
    for block in weights.blocks:
        part = block.data[:: max(1, block.size // 64)].cpu().contiguous()
        sample.update(part.view(torch.uint8).numpy().tobytes())
    return sample.hexdigest()


def ties(model: nn.Module | None, tensors: Iterable[torch.Tensor]) -> list[list[str]] | None:
    """Return for each tensor all its names in the model; None without a model."""
    if model is None:
        return None
    names: dict[Any, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(place(parameter), []).append(name)
    return [names.get(place(tensor), []) for tensor in tensors]


def replay(path: str | Path, model: nn.Module | ParamsT, estimator: str | None = None) -> int:
    """Move the weights that a record began with to where it ended.

    This needs no data and no forward pass: three draws of noise and two passes over the weights per
    MeZO step. The whole record is read and checked before a weight moves. A record that is still
    written, or whose program was killed, ends with the last events that were written to the file.
    A file that is cut off in the middle of a write is replayed up to its last checksum, with a
    RuntimeWarning. There is another one if the weights at `close()` were others: what code other
    than `step` writes to weights is not recorded. Nor are buffers, such as running statistics.

    Args:
        path: the file that `ZerothOrder.record` wrote.
        model: as given to ZerothOrder. Parameters of a module move by name, frozen or not; its
            weights must be tied as they were.
        estimator: as given to ZerothOrder, for an estimator in a file of your own that this program
            has not used yet: a file is never run because a record names it.

    Returns:
        The number of steps.

    Raises:
        BadInput: the record is damaged, or did not begin with these weights.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(3, 1)
        >>> twin = torch.nn.Linear(3, 1)
        >>> _ = twin.load_state_dict(model.state_dict())
        >>> opt = zobench.ZerothOrder(model, "mezo", lr=1e-2)
        >>> opt.record("run.zo")
        >>> loss = opt.step(lambda: model(torch.ones(2, 3)).square().mean())
        >>> opt.close()
        >>> zobench.replay("run.zo", twin)
        1
        >>> torch.equal(model.weight, twin.weight)
        True
    """
    record = Record(path)
    head = record.head
    named = _named(model, head["blocks"])
    _check_ties(path, head["ties"], model, [tensor for _, tensor in named])
    weights = DelayedParams(named, rounding=head["rounding"])
    weights.writes = head["writes"]
    _check_weights(path, head, weights)
    entry = _entry(head, path, estimator)
    params = Scaled(weights, [frozenset(inside) for inside in head["members"]])
    rule = None
    if head["rule"] is not None:
        assert entry is not None  # or it would have raised
        rule = remade(entry, head["settings"], head["rule"])
    empty = tuple(locked(np.zeros(-(-b.size // 8), np.uint8)) for b in weights.blocks)
    for _ in record.events(
        weights.blocks, entry, rule is not None, lambda thresholds: Mask(tuple(thresholds), empty)
    ):
        pass  # all are right, or this has raised
    t, steps, end = head["t"] - 1, 0, ""
    with torch.no_grad():
        for kind, facts in record.events(weights.blocks, entry, rule is not None, weights.mask):
            if kind == "p":
                weights.seal()
                for scale, direction in facts:
                    with weights.probed(scale, direction):
                        pass
            elif kind == "r":
                assert rule is not None
                t, steps = t + 1, steps + 1
                params.decay(facts)
                rule.apply(params, facts, t)
            elif kind == "a":
                params.add(*facts)
                steps += 1
            elif kind == "l":
                params.set(facts)
            elif kind == "t":
                t = facts - 1
            elif kind == "w":
                weights.flush()
            elif kind == "d":
                weights.flush()
                end = facts
        weights.flush()
    if end and digest(weights) != end:
        warnings.warn(
            f"{path} ended with other weights than its events make: code other than step() wrote "
            "to them in between (clipping, averaging, load_state_dict), which a record does not "
            "hold, or it was made on another kind of device",
            RuntimeWarning, stacklevel=2,
        )  # fmt: skip
    if record.is_cut:
        warnings.warn(
            f"{path} is cut off: the {steps} steps that it has were replayed",
            RuntimeWarning, stacklevel=2,
        )  # fmt: skip
    return steps


def remade(entry: Entry, settings: Mapping[str, Any], encoded: Mapping[str, Any]) -> Rule:
    """Return the rule of an estimator with the attributes that it had at the start of a record.

    Raises BadInput for attributes that do not fit the rule.
    """
    rule = getattr(entry.build(settings), "rule", None)
    if rule is None:
        raise BadInput(f"{entry.name} has no rule, and the record has one")
    before = classes.attributes(rule)
    Reader(entry).fill(rule, encoded)
    for name, value in classes.attributes(rule).items():
        was = before.get(name, getattr(type(rule), name, None))
        numbers = isinstance(was, (int, float)) and isinstance(value, (int, float))
        same = value is was if is_function(was) else type(value) is type(was)
        if was is not None and not numbers and not same:
            raise BadInput(
                f"{entry.name}: rule.{name} was a {type(was).__name__} and is a "
                f"{type(value).__name__}: that cannot be recorded"
            )
    if check := getattr(rule, "__post_init__", None):
        check()  # raises BadInput for settings out of range
    return rule


def _entry(head: Mapping[str, Any], path: str | Path, given: str | None) -> Entry | None:
    """Return the estimator of a record; None if it is unknown here, and not needed."""
    name, version = head["estimator"], head["version"]
    if given is not None:
        entry = estimators[given]
    elif estimators.is_file(name):
        entry = estimators.loaded_entry(name, version)
    else:
        entry = estimators[name]
    if entry is None and head["rule"] is None:
        return (
            None  # its moves are along the core's directions, or `Decoder` reports an unknown one
        )
    if entry is None:
        raise BadInput(
            f"{path} was made by {name}, a file of one's own: give it, replay(..., estimator="
            f"{name!r}), as no file is run because a record names it"
        )
    if entry.version != version:
        raise BadInput(
            f"{path} was made by version {version} of {entry.name}; this is {entry.version}, "
            "which may move otherwise"
        )
    return entry


def _check_ties(
    path: str | Path, recorded: Any, model: Any, tensors: Sequence[torch.Tensor]
) -> None:
    """Raise BadInput if weights are tied otherwise than those of the record were."""
    here = ties(model if isinstance(model, nn.Module) else None, tensors)
    for names, present in zip(recorded or (), here or ()):
        if names != present:
            raise BadInput(
                f"{path} began with weights tied otherwise: one tensor was {_joined(names)}, and "
                f"here it is {_joined(present)}"
            )


def _check_weights(path: str | Path, head: Mapping[str, Any], weights: DelayedParams) -> None:
    """Raise BadInput unless the weights are those that the record began with."""
    here = blocks(weights)
    for recorded, present in zip(head["blocks"], here):
        if recorded != present:
            raise BadInput(f"{path} moves {_shown(recorded)}, but the model has {_shown(present)}")
    if len(head["blocks"]) != len(here):
        count = len(head["blocks"])
        raise BadInput(f"{path} moves {count} tensors, but {len(here)} were given")
    if digest(weights) != head["start"]:
        raise BadInput(f"the model's weights are not those that {path} began with")


def _named(model: Any, wanted: list[list[Any]]) -> list[tuple[str, Any]]:
    if not isinstance(model, nn.Module):
        return trained_tensors(model).named
    parameters = dict(model.named_parameters(remove_duplicate=False))
    lacking = [name for name, *_ in wanted if name not in parameters]
    if lacking:
        raise BadInput(
            f"{type(model).__name__} has no parameter {lacking[0]!r}, which was recorded"
        )
    return [(name, parameters[name]) for name, *_ in wanted]


def _joined(names: Sequence[str]) -> str:
    return " and ".join(map(str, names)) or "of no name"


def _shown(block: list[Any]) -> str:
    name, shape, dtype = block
    return f"{name} of shape {tuple(shape)}, {dtype.removeprefix('torch.')}"
