"""Run an estimator on weights: its steps, its state, and the record of its events."""

from __future__ import annotations

import hashlib
import json
import warnings
import weakref
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import nn

from zobench.core.ask_tell import Adapted
from zobench.core.directions import Probe, Recipe
from zobench.core.estimator import ComposedEstimator, Finished
from zobench.core.params import Params, law_named
from zobench.core.shared_batch import SharedBatch
from zobench.engine.unbroken import unbroken
from zobench.errors import BadInput
from zobench.optim import journal, recordable, state, trajectory
from zobench.optim.closure import ClosureEvaluator
from zobench.optim.delayed import DelayedParams
from zobench.optim.restore import Reader, decode
from zobench.optim.scaled import Scaled
from zobench.registry import estimators

_STATE = frozenset(
    ("estimator", "version", "settings", "seed", "blocks", "writes", "rounding", "held")
)


class Engine:
    """Makes the estimator of an entry, steps it, saves it, and records its events."""

    def __init__(
        self, name: str, settings: dict[str, Any], seed: int, weights: DelayedParams, params: Scaled
    ) -> None:
        """Build and start the estimator.

        Args:
            name: as the registry takes it.
            settings: of the estimator.
            seed: of all directions.
            weights: the params that probes move.
            params: the params that the estimator moves.
        """
        self.name, self.entry = name, estimators[name]
        self.weights, self.params = weights, params
        self.journal: journal.Journal | None = None
        self._begin(settings, seed)

    def _begin(
        self, settings: dict[str, Any], seed: int, attributes: Mapping[str, Any] | None = None
    ) -> None:
        estimator = self.entry.build(settings)
        if isinstance(estimator, ComposedEstimator):
            self._attend(estimator.rule)
        self.entry.check_size(self.params.size)
        estimator.start(self.params, seed)
        if attributes is not None:
            Reader(self.entry, self.weights.blocks).fill(estimator, attributes)
        self.settings, self.seed, self._failed = settings, seed, False
        self.estimator = estimator

    @property
    def has_rule(self) -> bool:
        """True if the estimator is sampler x scheme x rule."""
        return isinstance(self.estimator, ComposedEstimator)

    @property
    def t(self) -> int:
        """The number of the next step, for an estimator with a rule; else 0."""
        return self.estimator.t if isinstance(self.estimator, ComposedEstimator) else 0

    @property
    def asks_and_tells(self) -> bool:
        """True for ask/tell adapters, whose library expects a loss for every candidate."""
        return isinstance(self.estimator, Adapted)

    @property
    def by_blocks(self) -> bool:
        """True if a step moves one group, which its sampler can name."""
        return hasattr(getattr(self.estimator, "sampler", None), "group")

    def batch(self, t: int) -> int | None:
        """Return the number of the minibatch that step t asks for; None for a fresh one."""
        scheme = getattr(self.estimator, "scheme", None)
        return scheme.batch(self.params, t) if isinstance(scheme, SharedBatch) else None

    def _attend(self, rule: Any) -> None:
        """Make the rule decay the weights before its move, and record the move after it."""
        # no cycle of references: the weights are freed with the optimizer
        own, of_rule = weakref.ref(self), weakref.ref(rule)

        def apply(params: Params, gradient: Recipe, t: int) -> None:
            engine, rule = own(), of_rule()
            assert engine is not None
            assert rule is not None
            events = engine.journal
            with unbroken:  # an array rule moves all blocks or none
                with events.quiet() if events else nullcontext():
                    engine.params.decay(gradient)
                    type(rule).apply(rule, params, gradient, t)
                if events:
                    events.rule(gradient, t)

        rule.apply = apply

    def step(self, evaluate: ClosureEvaluator) -> None:
        """Make one step. Raises what the closure raises, with the way back still delayed."""
        if self._failed:
            raise BadInput(
                f"{self.entry.name} cannot go on after a step that failed: its library waits for "
                "the losses; make a new optimizer"
            )

        def recorded(probes: Sequence[Probe], batch: int | None = None) -> list[float]:
            self.weights.seal()  # so that a flush between two steps changes no bit
            with self.journal.quiet() if self.journal else nullcontext():
                return evaluate(probes, batch)

        try:
            self.estimator.step(recorded)
        except Finished:
            raise
        except BaseException:
            self._failed = self.asks_and_tells
            raise

    def probed(self, probes: Sequence[Probe]) -> None:
        """Record the probes of a call."""
        if self.journal and not self.weights.realisation.moves_weights:
            self.journal.flushed()  # moves that were delayed before them; probes moved nothing
        elif self.journal:
            self.journal.probes(probes)

    def rates(self, rates: list[tuple[float, float]]) -> None:
        """Set (ratio, decayed fraction) of each parameter group, for the steps to come."""
        if rates != self.params.rates:
            self.params.set(rates)
            if self.journal:
                self.journal.rates(rates)

    def fingerprint(self) -> str:
        """Return a hash of the names, shapes and types of all blocks."""
        text = json.dumps(trajectory.blocks(self.weights))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def state(self) -> dict[str, Any]:
        """Return all that a run needs to go on. Raises BadInput for what cannot be saved."""
        return {
            "estimator": self.entry.name,
            "version": self.entry.version,
            "settings": state.encode(self.settings, "settings"),
            "seed": self.seed,
            "blocks": self.fingerprint(),
            "writes": self.weights.writes,
            "rounding": self.weights.rounding,
            "law": self.weights.law,
            "held": state.Writer(self.entry).attributes(self.estimator, self.weights.blocks),
        }

    def check(self, saved: dict[str, Any]) -> None:
        """Raise BadInput for a state of another estimator or model, and while recording."""
        lacking = _STATE - set(saved) if isinstance(saved, dict) else _STATE
        if lacking:
            raise BadInput(f"the state is damaged: it lacks {', '.join(sorted(lacking))}")
        for key, here in (("estimator", self.entry.name), ("version", self.entry.version)):
            if saved[key] != here:
                raise BadInput(f"the state is of {key} {saved[key]}, not of {here}")
        if saved["blocks"] != self.fingerprint():
            raise BadInput("the state is of tensors of other names, shapes or types")
        if self.journal:
            raise BadInput("close() the record before loading a state: it would not replay")

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from a checked `state`."""
        law = saved.get("law", "gaussian")  # that of states of zobench 0.2
        self.weights.law = self.params.law = law_named(law)
        self._begin(decode(saved["settings"]), saved["seed"], saved["held"])
        self.weights.writes, self.weights.rounding = saved["writes"], saved["rounding"]

    def record(self, path: str | Path, model: nn.Module | None) -> None:
        """Record all later events. Raises BadInput if they could not be replayed."""
        if self.journal:
            raise BadInput(f"this run is recorded already, in {self.journal.path}")
        self.weights.flush()
        self.weights.broke = False
        if self.asks_and_tells:
            raise BadInput(f"{self.entry.name} names its points outright: they cannot be recorded")
        rule = None
        if self.has_rule:
            rule = recordable.rule(self.entry, self.settings, self.estimator)
        recordable.check_step(self.entry, self.settings, self.seed, self.params)
        header = journal.header(
            estimator=self.name,
            version=self.entry.version,
            settings=self.settings,
            rule=rule,
            t=self.estimator.t if self.has_rule else 0,
            members=[sorted(inside) for inside in self.params.members],
            writes=self.weights.writes,
            rounding=self.weights.rounding,
            law=self.weights.law,
            start=trajectory.digest(self.weights),
            blocks=trajectory.blocks(self.weights),
            ties=trajectory.ties(model, [block.tensor for block in self.weights.blocks]),
        )
        self.journal = journal.Journal(path, header, self.entry)
        self.journal.rates(self.params.rates)
        self.weights.written, self.params.masked = self.journal.written, self.journal.masked
        if not self.has_rule:
            self.params.moved, self.params.changed = self.journal.add, self.journal.refuse

    def broke(self) -> None:
        """End the event of a step that broke off."""
        if self.journal:
            self.journal.loud()

    def end_record(self) -> None:
        """End the record: a write was taken back, which rounds, and a record has no such event."""
        if self.journal:
            self.journal.sync()
            path = self.journal.path
            self.close(is_whole=False)
            warnings.warn(
                f"the record {path} ends here: a step was stopped in the middle, from which the "
                "same weights are not made again to the bit; record() into a new file",
                RuntimeWarning, stacklevel=4,
            )  # fmt: skip

    def close(self, is_whole: bool = True) -> None:
        """End the record. `is_whole`: True if it makes the present weights again."""
        if self.journal:
            if is_whole:
                self.journal.ended(trajectory.digest(self.weights))
            self.journal.close()
            self.journal = None
            self.weights.written = self.params.moved = self.params.changed = _nothing
            self.params.masked = _nothing


def _nothing(*_: Any) -> None:
    pass
