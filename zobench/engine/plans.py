"""Find out how a forward runs for several probes together, and test that it is right.

The forward runs for one probe, for another one, and for both together, on the same random draws.
The probes are far enough apart for their outputs to differ clearly. The outputs of both together
must be those of each alone, up to rounding: else the forward mixes rows of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from zobench.core.directions import Noise, Probe
from zobench.engine.buffers import Buffers
from zobench.engine.copies import Copies
from zobench.engine.draws import SameDraws
from zobench.engine.stacking import ONE_EACH, NotStacked, cut, kinds_of, rows_of

if TYPE_CHECKING:
    from zobench.engine.paired import EntryForward, PairedCall

SCALES = [1e-3 * 4**k for k in range(6)]  # of the test's probes, until the outputs differ clearly
MOST_APART = 4  # times that more modules are run once per probe
MOST_COMPARED = 1 << 22  # elements of a buffer
MIXED = "it mixes rows of the batch, or draws random numbers in a way that is not known"


@dataclass
class Plan:
    """How a forward runs for several probes.

    Attributes:
        works: False if each probe runs alone.
        why: the reason for that.
        kinds: for each module with weights in the order in which they run, True if it reads what is
            the same for all rows.
        outputs: how each output is cut.
        output_form: of the outputs.
        apart: modules without weights of their own that run once per probe, with all they call.
        bare: True if parameters that a module reads beside the modules that it calls are replaced
            by copies where they are read; False if such a module runs once per probe.
        by_probe: True if losses or random draws are to be computed for each probe.
        draws: the generators, if the forward draws random numbers.
    """

    works: bool = True
    why: str = ""
    kinds: list[tuple[nn.Module, bool]] = field(default_factory=list)
    outputs: list[str] | None = None
    output_form: TreeSpec | None = None
    apart: frozenset[nn.Module] = frozenset()
    bare: bool = False
    by_probe: bool = True
    draws: SameDraws | None = None


def name_of(module: nn.Module, parts: Sequence[nn.Module], args: Any, kwargs: Any) -> Any:
    """Return what a plan depends on: the module, its mode, and the kinds of its inputs.

    `parts`: all modules in it.
    """
    leaves, form = tree_flatten((args, kwargs))
    training = sum([part.training for part in parts])
    rows = rows_of(leaves)
    kinds = tuple([_kind(leaf, rows) for leaf in leaves])
    # The form of nested inputs, which are rare, is slow to name.
    nested = form.num_leaves != len(args) + len(kwargs)
    return module, training, len(args), (*kwargs,), repr(form) if nested else "", rows == 1, kinds


def made(call: PairedCall, entry: EntryForward, leaves: list[Any], form: TreeSpec) -> Plan:
    """Make the plan of a forward for its present inputs; buffers and generators do not change."""
    if rows_of(leaves) is None:
        return Plan(False, "it is given no tensor")
    draws = SameDraws(_devices(entry, leaves))
    states = draws.states()
    buffers = Buffers(entry.module, [block.tensor for block in call.copies.params.blocks])
    former = call.copies, call.chunk, call.at

    has_run = False

    def put_back() -> None:
        nonlocal has_run
        if has_run:
            buffers.keep()
        has_run = True
        buffers.rewind()
        draws.put(states)

    units = call.realisation.units
    has_bare = any(m in units and units[m].is_container for m in entry.module.modules())
    plan = Plan(False)
    try:
        ways = [(True, False)] * has_bare + [(False, False)] + [(False, True)] * MOST_APART
        for bare, apart in ways:
            call.bare = bare
            if apart:
                others = call.apart | _around_shared(call, entry)
                if others == call.apart:
                    break
                call.apart = others
            try:
                plan = _tested(call, entry, leaves, form, draws, states, put_back)
                break
            except NotStacked as error:
                plan = Plan(False, str(error))
            except (RuntimeError, TypeError, ValueError, IndexError) as error:
                plan = Plan(False, f"it raises {type(error).__name__} ({_line(error)})")
        return plan
    finally:
        call.bare, call.apart = False, frozenset()
        buffers.undo()
        draws.put(states)
        call.noted = call.modules = None
        call.copies, call.chunk, call.at = former
        call.copies.prepare(call.chunk)


def _tested(
    call: PairedCall,
    entry: EntryForward,
    leaves: list[Any],
    form: TreeSpec,
    draws: SameDraws,
    states: list[torch.Tensor],
    put_back: Callable[[], None],
) -> Plan:
    ones, probes = _alone(call, entry, leaves, form, put_back)
    has_drawn = not all(map(torch.equal, states, ones.states))
    plan = Plan(draws=draws if has_drawn else None, bare=call.bare, apart=call.apart)
    put_back()
    _take(call, probes)
    call.noted, call.modules = None, []
    outputs, output_form = call.several(entry, leaves, form, plan, iter(ones.noted))
    if output_form != ones.form:
        raise NotStacked("its outputs for several probes are not of the form of those for one")
    kinds = kinds_of(ones.values[0], outputs, 2)
    for k, values in enumerate(ones.values):
        for a, b, other in zip(cut(outputs, kinds, k, 2), values, ones.values[1 - k]):
            if isinstance(b, torch.Tensor) and not _is_near(a, b, other):
                raise NotStacked(MIXED)
    if not all(_is_near(a, b, b) for a, b in zip(_copied(entry.module), ones.buffers)):
        raise NotStacked("it writes what it computes from the whole batch into a buffer")
    plan.kinds, plan.outputs, plan.output_form = call.modules, kinds, output_form
    plan.by_probe = has_drawn or ONE_EACH in kinds
    return plan


def _around_shared(call: PairedCall, entry: EntryForward) -> frozenset[nn.Module]:
    """Return the modules around those that read the same for all rows, such as positions."""
    shared = {module for module, is_shared in call.modules or () if is_shared}
    return frozenset(
        part
        for part in entry.module.modules()
        if part is not entry.module and any(child in shared for child in part.children())
    )


class _Ones(NamedTuple):
    """What a forward gives for each of two probes alone, and what it does for the first."""

    values: list[list[Any]]
    form: TreeSpec
    noted: list[tuple[nn.Module, int | None]]
    states: list[torch.Tensor]
    buffers: list[torch.Tensor]


def _alone(
    call: PairedCall,
    entry: EntryForward,
    leaves: list[Any],
    form: TreeSpec,
    put_back: Callable[[], None],
) -> tuple[_Ones, list[Probe]]:
    """Run the forward for each of two probes that are far enough apart; return them too."""
    args, kwargs = tree_unflatten(leaves, form)
    best: tuple[_Ones, list[Probe]] | None = None
    for scale in SCALES:
        probes: list[Probe] = [(scale, Noise(1)), (-scale, Noise(1))]
        _take(call, probes)
        values, forms, facts = [], [], []
        for k in range(2):
            put_back()
            call.noted = []
            flat, output_form = tree_flatten(call.one(entry, args, kwargs, k))
            values.append([x.clone() if isinstance(x, torch.Tensor) else x for x in flat])
            forms.append(output_form)
            drawn = SameDraws(_devices(entry, leaves)).states()
            facts.append((call.noted, drawn, _copied(entry.module)))
        if forms[0] != forms[1]:
            raise NotStacked("its outputs at two probes are not of one form")
        if not all(_is_finite(x) for pair in values for x in pair):
            break
        best = _Ones(values, forms[0], *facts[0]), probes
        if all(_are_apart(a, b) for a, b in zip(*values)):
            break
    if best is None:
        raise NotStacked("its outputs are not finite")
    return best


def _take(call: PairedCall, probes: list[Probe]) -> None:
    call.copies = Copies(call.copies.params, probes, call.copies.passing, call.room)
    call.chunk, call.at = (0, 1), 0
    call.copies.prepare(call.chunk)


def _devices(entry: EntryForward, leaves: Sequence[Any]) -> list[torch.device]:
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    return sorted({t.device for t in (*entry.module.parameters(), *tensors)}, key=str)


def _copied(module: nn.Module) -> list[torch.Tensor]:
    """Return copies of the buffers that hold numbers of a forward."""
    return [
        b.clone()
        for b in module.buffers()
        if b.is_floating_point() and b.layout is torch.strided and 0 < b.numel() < MOST_COMPARED
    ]


def _kind(leaf: Any, rows: int | None) -> Any:
    """Return what a plan depends on of an input: of tensors and numbers not the values."""
    if isinstance(leaf, torch.Tensor):
        return leaf.dtype, leaf.dim(), leaf.dim() > 0 and leaf.shape[0] == rows
    if isinstance(leaf, bool | str) or leaf is None:
        return leaf
    return type(leaf)


def _is_finite(value: Any) -> bool:
    is_float = isinstance(value, torch.Tensor) and value.is_floating_point()
    return not is_float or bool(value.isfinite().all() | ~value.isnan().any())


def _far(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the largest difference; entries that are infinite in both do not differ."""
    a, b = a.float(), b.float()
    return float(torch.where(a == b, 0.0, (a - b).abs()).max()) if a.numel() else 0.0


def _size(a: torch.Tensor) -> float:
    a = a.float()
    return float(torch.where(a.isfinite(), a.abs(), 0.0).max()) if a.numel() else 0.0


def _are_apart(a: Any, b: Any) -> bool:
    """Return True if outputs at two probes differ by far more than rounding, or not at all."""
    if not isinstance(a, torch.Tensor) or not a.is_floating_point():
        return True
    far = _far(a, b)
    return far == 0.0 or far > min(0.3, max(0.03, 30 * torch.finfo(a.dtype).eps)) * _size(a)


def _is_near(a: Any, b: torch.Tensor, other: torch.Tensor) -> bool:
    """Return True if `a` equals `b` up to rounding, which is far from `other`."""
    if not isinstance(a, torch.Tensor) or a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not b.is_floating_point():
        return _far(b, other) > 0 or torch.equal(a, b)
    rounding = 4 * torch.finfo(b.dtype).eps if b.element_size() == 2 else 1e-4
    return _far(a, b) <= 0.02 * _far(b, other) + rounding * _size(b)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:100]
