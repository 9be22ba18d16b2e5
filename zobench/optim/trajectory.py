"""The record of a run: seeds and scalars, from which the same weights are made again.

A record is gzipped lines of JSON. The first describes estimator and weights; each other is an
event: probes were made, a rule was applied to a recipe, delayed moves were written. Replaying makes
the same additions in the same order and rounding, so the weights are equal to the last bit on the
same kind of device, for any rule (Adam keeps its moments while it replays).
"""

from __future__ import annotations

import hashlib
import json
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

import zobench
from zobench.core.directions import Recipe
from zobench.core.rules import Rule
from zobench.errors import BadInput
from zobench.optim import state
from zobench.optim.subject import subject
from zobench.optim.walk import Scaled, Walk
from zobench.registry import estimators

FORMAT = 1
SYNCED = b"\0\0\xff\xff"  # how zlib ends what is synced


def blocks(walk: Walk) -> list[list[Any]]:
    """Name, shape and type of each block: what a record or a checkpoint fits."""
    return [[b.name, list(b.shape), str(b.data.dtype)] for b in walk.blocks]


def digest(walk: Walk) -> str:
    """A hash of 64 numbers of each block: enough to tell other weights, and read in no time."""
    found = hashlib.blake2b(digest_size=16)
    for block in walk.blocks:
        part = block.data[:: max(1, block.size // 64)].cpu().contiguous()
        found.update(part.view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def header(**facts: Any) -> dict[str, Any]:
    """The first line of a record."""
    versions = {"zobench": zobench.__version__, "torch": torch.__version__}
    return {"zobench trajectory": FORMAT, "versions": versions} | facts


def read(path: str | Path) -> tuple[dict[str, Any], Iterator[list[Any]], bool]:
    """(header, events, does it end where it was written to?); of one cut short, what it has.

    Raises BadInput for a file that is no record, or of another format.
    """
    data = Path(path).read_bytes()
    try:
        unpacked = zlib.decompressobj(31)
        text = unpacked.decompress(data)
        first, _, rest = text.partition(b"\n")
        head = json.loads(first)
        version = head["zobench trajectory"]
    except (zlib.error, ValueError, KeyError, TypeError):
        raise BadInput(
            f"{path} is no record of a run, or a damaged one: ZerothOrder.record writes them"
        ) from None
    if version != FORMAT:
        raise BadInput(f"{path} has format {version}; this version reads format {FORMAT}")
    whole = rest[: rest.rfind(b"\n") + 1]
    ends = unpacked.eof or data.endswith(SYNCED)
    return head, (json.loads(line) for line in whole.splitlines()), ends


def replay(path: str | Path, model: nn.Module | Sequence[Any]) -> int:
    """Move the weights that a record began with to where it ended; returns the number of steps.

    model: as given to ZerothOrder. Of a module, the recorded parameters move by name, frozen or
    not. Needs no data and no forward pass: three draws of noise and two passes over the weights a
    MeZO step. Of a record that is cut off, what it has is replayed, with a RuntimeWarning.
    Raises BadInput when the weights are not those the record began with.
    """
    head, events, whole = read(path)
    named = _named(model, head["blocks"])
    walk = Walk(named, rounding=head["rounding"])
    walk.writes = head["writes"]
    if blocks(walk) != head["blocks"]:
        pairs = zip(head["blocks"], blocks(walk))
        wrong = next((a, b) for a, b in pairs if a != b)
        raise BadInput(f"{path} moves {_shown(wrong[0])}, but the model has {_shown(wrong[1])}")
    if digest(walk) != head["start"]:
        raise BadInput(f"the model's weights are not those that {path} began with")
    params = Scaled(walk, [frozenset(inside) for inside in head["members"]])
    rule = None if head["rule"] is None else _rule(head, path)
    t, steps = head["t"] - 1, 0
    with torch.no_grad():
        for kind, *facts in events:
            if kind == "p":
                for scale, told in facts:
                    with walk.probed(scale, state.decode(told)):
                        pass
            elif kind == "r":
                assert rule is not None
                t, steps = t + 1, steps + 1
                gradient = Recipe(tuple((w, state.decode(told)) for w, told in facts))
                params.decay(gradient)
                rule.apply(params, gradient, t)
            elif kind == "a":
                params.add(facts[0], state.decode(facts[1]))
                steps += 1
            elif kind == "l":
                params.set([(ratio, fraction) for ratio, fraction in facts])
            elif kind == "t":
                t = facts[0] - 1
            else:
                walk.flush()
        walk.flush()
    if not whole:
        warnings.warn(
            f"{path} is cut off: the {steps} steps that it has were replayed",
            RuntimeWarning, stacklevel=2,
        )  # fmt: skip
    return steps


def _rule(head: dict[str, Any], path: str | Path) -> Rule:
    """The rule of a record, with what it remembered at the start."""
    entry = estimators[head["estimator"]]
    if entry.version != head["version"]:
        raise BadInput(
            f"{path} was made by version {head['version']} of {entry.name}; this is "
            f"{entry.version}, which may move otherwise"
        )
    rule = entry.build(head["settings"]).rule
    state.restore(rule, head["rule"])
    return rule


def _named(model: Any, wanted: list[list[Any]]) -> list[tuple[str, Any]]:
    if not isinstance(model, nn.Module):
        return subject(model).named
    held = dict(model.named_parameters())
    lacking = [name for name, *_ in wanted if name not in held]
    if lacking:
        raise BadInput(
            f"{type(model).__name__} has no parameter {lacking[0]!r}, which was recorded"
        )
    return [(name, held[name]) for name, *_ in wanted]


def _shown(block: list[Any]) -> str:
    name, shape, dtype = block
    return f"{name} of shape {tuple(shape)}, {dtype.removeprefix('torch.')}"
