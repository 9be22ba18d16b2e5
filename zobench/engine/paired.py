"""The realisation "paired": all probes of a call in one forward, which reads each weight once.

A model runs on a batch that holds the rows of each probe, one probe after the other. Just before a
layer multiplies, slices of its weight are brought up to date with the moves that are due, and
copied once per probe with that probe's noise, which an antithetic pair shares; the rows of each
probe are multiplied with its own copy. No weight is ever moved to a probe. All that has no weights
runs on the whole batch.

A loss is evaluated as usual, once per probe. Its first evaluation runs the model for all probes,
and gets the outputs of the first; the others find their outputs made, as long as they hand the
model equal inputs. A forward is tested when it first runs in a new way (see `engine.plans`). One
that does not pass, or that gets other inputs at each probe, runs once per probe, on copies of that
probe alone, as in "scratch".
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, SupportsFloat

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from zobench.core.directions import Direction, Probe
from zobench.engine import plans, stacking
from zobench.engine.by_probe import ByProbe
from zobench.engine.copies import Copies
from zobench.engine.draws import SameDraws
from zobench.engine.given import Given
from zobench.engine.hidden import as_written, check, nowhere
from zobench.engine.perturbed import refuse_derivatives
from zobench.engine.room import Room
from zobench.engine.stacking import NotStacked
from zobench.engine.tensor_block import TensorBlock
from zobench.engine.tensors import TensorParams
from zobench.engine.ties import check_read, check_unmoved, place
from zobench.engine.units import CLOSED, Whole, reads_batch, unit_of
from zobench.engine.wrapping import ModuleForward, Wrapper, wrapped

MOST = 8  # probes in one forward; more run in several


class Paired:
    """Let all probes of a call go through the model together. Probes do not touch the weights."""

    name = "paired"
    moves_weights, can_delay = False, True

    def __init__(
        self,
        module: nn.Module,
        named: Sequence[tuple[str, torch.Tensor]],
        blocks: Sequence[TensorBlock],
        layers: Sequence[nn.Module] = (),
    ) -> None:
        """Find the modules that read the weights.

        Args:
            module: the module whose forward reads the weights.
            named: pairs (name, parameter) of the weights that move.
            blocks: their blocks, in the same order.
            layers: modules of `module` that run one by one.

        Raises:
            Unsuitable: a weight is not a parameter of `module`, or shares memory with another
                tensor of it without being tied to it.
        """
        owned = {place(p): block for (_, p), block in zip(named, blocks)}
        check_unmoved(module, owned, self.name)
        closed = [part for part in module.modules() if isinstance(part, CLOSED)]
        inside = {id(p) for part in closed for p in part.modules() if p is not part}
        self.units: dict[nn.Module, Whole] = {}
        for part in module.modules():
            if id(part) in inside:
                continue
            is_closed = isinstance(part, CLOSED)
            every = part.parameters(recurse=is_closed)
            # What a module inside owns too is read there: a head keeps the bias of its decoder.
            others = {
                id(p) for m in part.modules() if m is not part for p in m._parameters.values()
            }
            own = [
                (p, owned[place(p)])
                for p in every
                if place(p) in owned and (is_closed or id(p) not in others)
            ]
            if own or isinstance(part, _NormBase):
                self.units[part] = unit_of(part, own)
        for part, unit in self.units.items():
            below = [self.units[m] for m in part.modules() if m in self.units]
            unit.below = [block for u in below for _, block in u.own]
            unit.is_container = len(below) > 1
        read = {place(p) for unit in self.units.values() for p, _ in unit.own}
        check_read(module, named, read, self.name)
        # All that may be called from outside, and then run for all probes.
        self.entries = [
            part for part in module.modules() if any(m in self.units for m in part.modules())
        ]
        self.layers = {id(layer) for layer in layers}
        self.room = Room()
        self.plans: dict[Any, plans.Plan] = {}
        self.parts: dict[nn.Module, list[nn.Module]] = {}  # all modules in an entry
        self._call: PairedCall | None = None
        self._warned: set[str] = set()

    @contextmanager
    def together(self, params: TensorParams, probes: Sequence[Probe]) -> Iterator[None]:
        """Inside, `probed` visits the probes in their order, and forwards run for all of them."""
        with params.passing() as passing:
            copies = Copies(params, probes, passing, self.room)
            # Weights that no probe moves are read where they are.
            passing.bring_all([block for block in params.blocks if not copies.moves(block)])
            moved = [
                parameter
                for unit in self.units.values()
                for parameter, block in unit.own
                if copies.moves(block)
            ]
            call = PairedCall(self, copies)
            try:
                self._call = call
                with as_written(), nowhere(moved), wrapped(self._wrappers(call)):
                    yield
            finally:
                self._call = None

    @contextmanager
    def probed(self, params: TensorParams, scale: float, direction: Direction) -> Iterator[None]:
        """Inside, forwards read copies of the weights at the probe.

        Where no module reads it, a weight that moves is NaN, as in "scratch".
        """
        call = self._call
        if call is not None and call.is_next(scale, direction):
            with call.visited():
                yield
            return
        with self.together(params, [(scale, direction)]):
            assert self._call is not None
            with self._call.visited():
                yield

    def check(self, params: TensorParams, loss: Callable[[], SupportsFloat]) -> None:
        """Raise Unsuitable if `loss()` reads a weight outside the forward of its own module."""
        params.flush()
        units = {part: [p for p, _ in unit.own] for part, unit in self.units.items() if unit.own}
        check(units, loss, "paired")

    @property
    def is_testing(self) -> bool:
        """True while a forward is tested, with probes of the test."""
        call = self._call
        return call is not None and (call.noted is not None or call.modules is not None)

    def restore(self, params: TensorParams) -> None:
        """Give the parameters the memory that moves are written to, wherever a probe broke off."""
        for unit in self.units.values():
            for parameter, block in unit.own:
                if parameter.data_ptr() != block.tensor.data_ptr():
                    parameter.data = block.tensor
        self.room, self._call = Room(), None

    def around(self, module: nn.Module) -> Whole:
        """Return how a module without weights of its own runs once per probe."""
        unit = Whole(module, ())
        unit.below = [b for m in module.modules() if m in self.units for b in self.units[m].blocks]
        unit.is_container = True
        return unit

    def say(self, what: str) -> None:
        """Warn once per text."""
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(f"paired: {what}", RuntimeWarning, stacklevel=2)

    def _wrappers(self, call: PairedCall) -> Iterator[tuple[nn.Module, Wrapper]]:
        for part in self.entries:
            unit = self.units.get(part)
            is_layer = id(part) in self.layers
            yield part, lambda f, p=part, u=unit, i=is_layer: EntryForward(call, p, u, f, i)


class MadeOutputs(NamedTuple):
    """The outputs that a forward made for several probes, and the inputs it was given."""

    entry: EntryForward
    given: Given
    outputs: list[Any]
    output_form: TreeSpec
    plan: plans.Plan
    after: list[torch.Tensor] | None  # the states of the generators

    def fits(self, entry: EntryForward, leaves: list[Any], form: TreeSpec) -> bool:
        """Return True if a call hands that forward equal inputs."""
        return entry is self.entry and self.given.fits(leaves, form)


class PairedCall:
    """The probes of one call: which of them is visited, and what was made for the others."""

    def __init__(self, realisation: Paired, copies: Copies) -> None:
        self.realisation, self.copies = realisation, copies
        self.probes = copies.probes
        self.at = -1  # the probe that is visited
        self.chunk: tuple[int, ...] = ()  # the probes that run together with it
        self.number = 0  # of the next call of a forward, within an evaluation
        self.made: list[MadeOutputs | None] = []
        # while a forward runs:
        self.which: tuple[int, ...] = ()
        self.rows = 0
        self.depth = 0  # above 0, a module runs once per probe
        self.is_apart = False  # True as soon as the rows of the probes differ
        self.draws: SameDraws | None = None
        self.bare = False
        self.apart: frozenset[nn.Module] = frozenset()
        self.kinds: deque[tuple[nn.Module, Any]] | None = None
        # while it is tested:
        self.noted: list[tuple[nn.Module, int | None]] | None = None
        self.modules: list[tuple[nn.Module, bool]] | None = None

    @property
    def room(self) -> Room:
        """The memory for copies."""
        return self.realisation.room

    def is_next(self, scale: float, direction: Direction) -> bool:
        """Return True if this probe is the one to be visited next."""
        if self.which or self.at + 1 >= len(self.probes):
            return False
        next_scale, next_direction = self.probes[self.at + 1]
        return scale == next_scale and direction is next_direction

    @contextmanager
    def visited(self) -> Iterator[None]:
        """Inside, the loss is evaluated at the next probe."""
        self.at, self.number = self.at + 1, 0
        if self.at not in self.chunk:
            self.chunk = tuple(range(self.at, min(self.at + MOST, len(self.probes))))
            self.made = []
            self.copies.prepare(self.chunk)
        yield

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Inside, modules in a module that no probe moves run on the whole batch."""
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    @contextmanager
    def alone(self, k: int) -> Iterator[None]:
        """Inside, the batch holds the rows of probe k only."""
        which, self.which, self.depth = self.which, (k,), self.depth + 1
        try:
            yield
        finally:
            self.which, self.depth = which, self.depth - 1

    def enter(self, entry: EntryForward, args: Any, kwargs: Any) -> Any:
        """Run a forward that is called from outside: for all probes, or find what it made."""
        refuse_derivatives("paired")
        leaves, form = tree_flatten((args, kwargs))
        number, self.number = self.number, self.number + 1
        if number < len(self.made):
            made = self.made[number]
            if made is None:
                return self.one(entry, args, kwargs)
            if made.fits(entry, leaves, form):
                if made.after is not None and made.plan.draws:
                    made.plan.draws.put(made.after)
                return self._of(made, self.at)
            self._stop(entry, made.plan, "the loss hands it other inputs at each probe")
            return self.one(entry, args, kwargs)
        plan = None
        if len(self.chunk) > 1 and self.at == self.chunk[0]:
            plan = self._plan(entry, leaves, form, args, kwargs)
        if plan is None or not plan.works:
            self.made.append(None)
            return self.one(entry, args, kwargs)
        given = Given.of(leaves, form)
        states = plan.draws.states() if plan.draws else None
        try:
            outputs, output_form = self.several(entry, leaves, form, plan, iter(plan.kinds))
        except NotStacked as error:
            if plan.draws and states:
                plan.draws.put(states)
            self._stop(entry, plan, str(error))
            self.made.append(None)
            return self.one(entry, args, kwargs)
        after = plan.draws.states() if plan.draws else None
        made = MadeOutputs(entry, given, outputs, output_form, plan, after)
        self.made.append(made)
        return self._of(made, self.at)

    def rows_of(self, block: TensorBlock, index: torch.Tensor) -> torch.Tensor:
        """Return rows of a weight at the probe that is visited."""
        if self.copies.moves(block) and not self.copies.serves_rows(block):
            with self.room.taken([block.tensor]) as taken:
                return self.copies.whole(block, (self.at,), taken)[0][index]
        return self.copies.rows(block, (self.at,), index)[0]

    def one(self, entry: EntryForward, args: Any, kwargs: Any, k: int | None = None) -> Any:
        """Run a forward for one probe: by default the one that is visited."""
        with self._running((self.at if k is None else k,), 0, None, None):
            return entry.inner(args, kwargs)

    def several(
        self,
        entry: EntryForward,
        leaves: list[Any],
        form: TreeSpec,
        plan: plans.Plan,
        facts: Iterator[tuple[nn.Module, Any]],
    ) -> tuple[list[Any], TreeSpec]:
        """Run a forward for all probes of the chunk together; `facts`: see `Plan.kinds`."""
        rows = stacking.rows_of(leaves)
        assert rows is not None
        args, kwargs = tree_unflatten(stacking.repeated(leaves, rows, len(self.chunk)), form)
        mode = (
            ByProbe(lambda: len(self.which), rows, plan.draws) if plan.by_probe else nullcontext()
        )
        self.bare, self.apart = plan.bare, plan.apart
        with self._running(self.chunk, rows, plan.draws, facts), mode:
            output = entry.inner(args, kwargs)
        outputs, output_form = tree_flatten(output)
        if plan.outputs is not None and output_form != plan.output_form:
            raise NotStacked("its outputs are of another form than before")
        return outputs, output_form

    def kind(self, module: nn.Module, rows: int | None) -> bool:
        """Return True if a module reads what is the same for all rows of the batch."""
        if self.depth:
            return False
        if self.noted is not None:
            self.noted.append((module, rows))
        if self.kinds is None:
            return False
        other, fact = self.kinds.popleft() if self.kinds else (None, False)
        if other is not module:
            raise NotStacked("its modules do not run in one order")
        if self.modules is None:
            return fact and len(self.which) > 1
        # A test, in which the fact is the number of rows for one probe.
        count = len(self.which)
        shared = count > 1 and (fact is None or rows == fact)
        if count > 1 and not shared and rows != count * (fact or 0):
            raise NotStacked(
                "the batch of one of its modules does not grow with the number of probes"
            )
        self.modules.append((module, shared))
        return shared

    @contextmanager
    def _running(
        self,
        which: tuple[int, ...],
        rows: int,
        draws: SameDraws | None,
        kinds: Iterator[tuple[nn.Module, Any]] | None,
    ) -> Iterator[None]:
        self.which, self.rows, self.draws = which, rows, draws
        self.kinds = None if kinds is None else deque(kinds)
        self.is_apart = False
        try:
            yield
        finally:
            self.which, self.depth = (), 0

    def _of(self, made: MadeOutputs, k: int) -> Any:
        kinds = made.plan.outputs
        assert kinds is not None
        place, count = self.chunk.index(k), len(self.chunk)
        return tree_unflatten(stacking.cut(made.outputs, kinds, place, count), made.output_form)

    def _plan(
        self, entry: EntryForward, leaves: list[Any], form: TreeSpec, args: Any, kwargs: Any
    ) -> plans.Plan:
        stored_plans = self.realisation.plans
        parts = self.realisation.parts.setdefault(entry.module, [])
        if not parts:
            parts.extend(entry.module.modules())
        name = plans.name_of(entry.module, parts, args, kwargs)
        if name not in stored_plans:
            stored_plans[name] = plan = plans.made(self, entry, leaves, form)
            if not plan.works:
                self._warn(entry, plan.why)
        return stored_plans[name]

    def _stop(self, entry: EntryForward, plan: plans.Plan, why: str) -> None:
        plan.works, plan.why = False, why
        self._warn(entry, why)

    def _warn(self, entry: EntryForward, why: str) -> None:
        self.realisation.say(
            f"the probes run through {type(entry.module).__name__} one by one, which costs more: "
            f"{why}"
        )


class EntryForward:
    """What runs in place of the forward of a module while probes are evaluated."""

    def __init__(
        self,
        call: PairedCall,
        module: nn.Module,
        unit: Whole | None,
        forward: ModuleForward,
        layer: bool,
    ) -> None:
        """`unit`: how it runs, if it has weights of its own. `layer`: True for one of a list."""
        self.call, self.module, self.unit, self.forward = call, module, unit, forward
        self.is_layer = layer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.call.which:
            return self.call.enter(self, args, kwargs)
        return self.inner(args, kwargs)

    def inner(self, args: Any, kwargs: Any) -> Any:
        """Run inside of the forward that was called from outside."""
        call = self.call
        if self.unit is not None:
            return self._unit(self.unit, args, kwargs)
        if self.module in call.apart:
            return self._unit(call.realisation.around(self.module), args, kwargs)
        if self.is_layer and len(call.which) > 1 and not call.is_apart:
            return self._once(args, kwargs)
        return self.forward(*args, **kwargs)

    def weight_rows(self, parameter: torch.Tensor, index: torch.Tensor) -> torch.Tensor | None:
        """Return rows of a weight of the module at the probe that is visited; None if not owned."""
        for own, block in self.unit.own if self.unit is not None else ():
            if own is parameter:
                return self.call.rows_of(block, index)
        return None

    def _unit(self, unit: Whole, args: Any, kwargs: Any) -> Any:
        call = self.call
        rows = stacking.rows_of(args) if args else None
        if rows is None:
            rows = stacking.rows_of(tree_flatten((args, kwargs))[0])
        shared = call.kind(self.module, rows)
        is_open = unit.is_container and call.bare
        moves = any(call.copies.moves(block) for block in (unit.blocks if is_open else unit.below))
        if not moves and (len(call.which) == 1 or not reads_batch(self.module)):
            with nullcontext() if is_open else call.inside():
                return self.forward(*args, **kwargs)
        call.is_apart = True
        return unit.run(call, self.forward, args, kwargs, shared)

    def _once(self, args: Any, kwargs: Any) -> Any:
        """Run a layer that no probe moves, and that all probes enter alike, on rows of one."""
        call = self.call
        own = [u for m in self.module.modules() if (u := call.realisation.units.get(m))]
        if any(call.copies.moves(block) for unit in own for block in unit.below):
            return self.forward(*args, **kwargs)
        count = len(call.which)
        leaves, form = tree_flatten((args, kwargs))
        one_args, one_kwargs = tree_unflatten(
            stacking.part_of(leaves, count * call.rows, 0, count), form
        )
        which, call.which = call.which, call.which[:1]
        kinds = call.kinds
        left = len(kinds or ())
        try:
            output = self.forward(*one_args, **one_kwargs)
        finally:
            call.which = which
        if kinds and len(kinds) == left:  # its output was kept: no module in it has run
            inside = set(self.module.modules())
            while kinds and kinds[0][0] in inside:
                kinds.popleft()
        leaves, form = tree_flatten(output)
        return tree_unflatten(stacking.repeated(leaves, call.rows, count), form)
