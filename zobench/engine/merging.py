"""Merge the moves that are due into as few writes of the weights as possible."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from zobench.core.directions import Noise, Primitive, Term, terms_of
from zobench.core.fixed import SEEDED, key
from zobench.engine.due import Due
from zobench.engine.tensor_block import TensorBlock

# pairs (blocks, the terms to add to each of them)
WritePass = list[tuple[list[TensorBlock], list[Term]]]


def passes_of(due: Due, blocks: Sequence[TensorBlock]) -> list[WritePass]:
    """Return the writes of all moves that are due, in passes over the weights.

    Moves along equal directions merge, except across a seal. Blocks to which the same terms are
    added are written together. All directions expand here, before the first write, so that one
    that raises leaves the point whole.
    """
    # The host does not look at a scale on a device, as it would have to wait for it.
    moves = [
        (layer, scale, direction)
        for layer, pending in enumerate((*due.sealed, due.pending))
        for scale, direction in pending.values()
        if type(scale) is not float or scale != 0.0
    ]
    primitives: dict[Any, Any] = {}  # by key, if that is not the primitive itself

    def name(primitive: Primitive) -> Hashable:
        own = key(primitive)
        if own is not primitive:
            primitives[own] = primitive
        return own

    alike: dict[tuple[tuple[int, float, Any], ...], list[TensorBlock]] = {}
    for block in blocks if moves else ():
        terms = tuple(
            (k, weight, primitive if type(primitive) in SEEDED else name(primitive))
            for k, (_, _, direction) in enumerate(moves)
            for weight, primitive in terms_of(direction, block)
        )
        if terms and block.size:
            alike.setdefault(terms, []).append(block)
    passes: list[WritePass] = [[]]
    for terms, together in alike.items():
        sums_of: dict[int, dict[Any, float]] = {}  # the weight of each primitive, layer by layer
        for k, weight, primitive in terms:
            layer, scale, _ = moves[k]
            sums = sums_of.setdefault(layer, {})
            sums[primitive] = sums.get(primitive, 0.0) + scale * weight
        layers = [[(w, primitives.get(p, p)) for p, w in sums.items()] for sums in sums_of.values()]
        all_terms = [term for layer in layers for term in layer]
        # Noise of one law is added term by term, also in one pass.
        for k, total in enumerate([all_terms] if one_law(all_terms) else layers):
            passes += [[]] if k == len(passes) else []
            passes[k].append((together, total))
    return passes


def one_law(terms: Sequence[Term]) -> str | None:
    """Return the law of terms that are all plain noise of one law, else None."""
    laws = {p.law if type(p) is Noise else None for _, p in terms}
    return laws.pop() if len(laws) == 1 else None
