"""A zeroth-order estimator as a torch optimizer: your model, your loop, no gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zobench.errors import BadInput, Unsuitable
from zobench.optim.closure import Evaluate, NotFinite, explained
from zobench.optim.engine import Engine
from zobench.optim.realise import Trial, realised
from zobench.optim.reuse import Reuse
from zobench.optim.subject import subject
from zobench.optim.walk import Scaled
from zobench.optim.watch import Watch
from zobench.registry import check_settings, estimators

KEY = "zobench"  # in a state_dict


class ZerothOrder(torch.optim.Optimizer):
    """Trains tensors in place with a registered estimator, at the memory of inference.

        opt = ZerothOrder(model, "mezo-bcd", lr=1e-5, eps=1e-3)
        loss = opt.step(lambda: model(**batch).loss)

    **Reading weights.** After a step the way back from its last probe and its move wait for the
    next probe, which saves a pass over the weights. To call the model or a part of it, list, save,
    load, copy or move it flushes first (see watch.Watch). To read an attribute (`layer.weight`)
    does not: call `flush()` before, or give delay=False. Without a module, and with scratch, every
    step ends with a flush.

    **Realisation.** "walk" moves the weights to each probe and back; "scratch" never perturbs them:
    layers read perturbed copies; "auto" chooses. See optim.realise.

    **Learning rates.** `lr` and `weight_decay` (decoupled: x <- (1 - lr weight_decay) x on the
    blocks that move) stand in `param_groups`, where schedulers of torch.optim set them, and may
    differ by group. Other settings (`eps`, `n`, ...) are the estimator's own.

    **Checkpoints.** `state_dict()` has all that the estimator remembers; `load_state_dict` takes
    the settings from there too. With equal weights and realisation a run goes on bit for bit as the
    one that saved; as one that did not save, too, but for 16 bits with delay: saving rounds.
    `record(path)` writes kilobytes from which `zobench.optim.replay` makes the weights again.

    Any estimator that only asks for losses works; those of other libraries (cma-es, nevergrad) take
    only so many parameters, and no checkpoints: they store whole points.
    """

    def __init__(
        self,
        params: nn.Module | Iterable[Any],
        estimator: str = "mezo",
        *,
        model: nn.Module | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        seed: int = 0,
        on_nonfinite: str = "raise",
        delay: bool = True,
        stochastic_rounding: bool = False,
        realisation: str = "walk",
        reuse_prefix: bool = False,
        **settings: Any,
    ) -> None:
        """
        params: a module, tensors, (name, tensor) pairs, or dicts {"params": ..., "lr": ...,
            "weight_decay": ...}. Frozen parameters never move, tied ones move once.
        estimator: a registered name, or `path/to/file.py:name`.
        model: the module that `params` come from, if they are not a module.
        groups: for block-coordinate methods, names of groups and of their parameters. By default
            decoder layers where the module has a list of layers, else its child modules.
        on_nonfinite: a loss that is NaN or infinite leaves the weights as before the step, and
            raises FloatingPointError ("raise") or goes on with the next step ("skip").
        stochastic_rounding: of writes to 16-bit weights. realisation: see above.
        reuse_prefix: for block-coordinate methods on a module with a list of layers: those before
            the first one that a step's probes move run once a step; no loss changes by a bit.
        With scratch or reuse, the first step calls the closure a few times more (no queries), to
            find out whether that is right. With reuse, later closures must run the model alike.
        Raises BadInput for what cannot be, and Unsuitable for an estimator that needs gradients.
        """
        entry = self._entry = estimators[estimator]
        if entry.first_order:
            raise Unsuitable(f"{estimator} uses gradients: take an optimizer of torch.optim")
        if on_nonfinite not in ("raise", "skip"):
            raise BadInput(f"on_nonfinite is raise or skip, not {on_nonfinite!r}")
        if not isinstance(seed, int):
            raise BadInput(f"seed is an integer, not {seed!r}")
        self._has_lr = "lr" in entry.defaults
        fraction = float(settings.pop("weight_decay", entry.defaults.get("weight_decay", 0.0)))
        settings = check_settings(entry, settings)
        rate = float(settings.get("lr", entry.defaults.get("lr", 1.0)))
        if self._has_lr:
            settings["lr"] = rate or 1.0  # groups are scaled from here
        if "weight_decay" in entry.defaults:
            settings["weight_decay"] = 0.0  # it is ours: it may differ by group
        self._base = settings.get("lr", 1.0)
        found = subject(params, model)
        self._fixed, self._skips = False, on_nonfinite == "skip"
        super().__init__(found.param_groups, {"lr": rate, "weight_decay": fraction})
        self._fixed, self._found = True, found
        rounding = seed if stochastic_rounding else None
        self._walk = realised(realisation, found, found.groups(groups), rounding)
        moves = Scaled(self._walk, found.members)
        self._engine = Engine(estimator, settings, seed, self._walk, moves)
        if self._skips and self._engine.asks_and_tells:
            raise BadInput(f"{estimator} cannot skip a step: its library waits for the losses")
        self._reuse = Reuse(found, self._walk, self._engine) if reuse_prefix else None
        self._trial = Trial(self._walk, realisation == "auto", self._reuse)
        self.queries = self.skipped = 0
        self._rates()
        watched = found.model if delay and not self._walk.stays else None
        self._watch = None if watched is None else Watch(watched, self._walk)

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        closure: Callable[..., Any],
        micro_batches: Sequence[Any] | None = None,
        weights: Sequence[float] | None = None,
    ) -> float:
        """One step of the estimator; returns the mean of its probes' losses, for the log.

        closure: returns the loss, a number or a 0-d tensor, on the same data whenever it is called
            in one step, under torch.no_grad. What it draws from torch's generators (dropout) is the
            same at every probe of a step. It must not draw from other generators.
        micro_batches: given these, the closure is called with each, and the loss of a probe is
            their mean, or their mean by `weights` (such as numbers of tokens): the step of the
            whole batch, at the memory of a part. Keep the batches on the device they run on.
        Raises BadInput for a closure that gives no loss, FloatingPointError for one that is not
        finite. Weights are then as before the step: with scratch exactly, with walk but for the
        rounding of the way there and back, which in 16 bits adds up over many such steps.
        """
        if not callable(closure):
            raise BadInput("step takes a closure that returns the loss: opt.step(closure)")
        self._found.check(self._walk.blocks)
        self._rates()
        evaluate = Evaluate(
            self._walk, closure, micro_batches, weights, self._found.devices, self._engine.probed
        )
        try:
            with explained():
                self._trial.prepare(evaluate)
                self._engine.step(evaluate)
        except NotFinite:
            self.flush()
            with explained():
                if not self._trial.stands(evaluate):
                    return self.step(closure, micro_batches, weights)
            if not self._skips:
                raise
            self.skipped += 1
        except BaseException:
            self.flush()
            raise
        self.queries += len(evaluate.losses)
        if self._watch is None:
            self._walk.flush()
        return sum(evaluate.losses) / max(1, len(evaluate.losses))

    @property
    def realisation(self) -> str:
        """ "scratch" if probes leave the weights where they are, else "walk"."""
        return "scratch" if self._walk.stays else "walk"

    def flush(self) -> None:
        """Write the delayed moves: the tensors hold the exact point. A record is synced."""
        self._walk.flush()
        if self._engine.journal:
            self._engine.journal.sync()

    def close(self) -> None:
        """Flush, end a record, and take the hooks off the module. Later steps are not delayed."""
        self.flush()
        self._engine.close()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def record(self, path: str | Path) -> None:
        """Write what each step does into a new file, from which `replay` makes the weights again.

        Some 30 bytes per MeZO step. Readable after each `flush()`, complete after `close()`. Raises
        BadInput for what does not replay: a step is rehearsed on made-up losses, moving nothing.
        """
        self._engine.record(path, self._found.model)

    def state_dict(self) -> dict[str, Any]:
        """For torch.save. Flushes. Raises BadInput where a library's object cannot be saved."""
        self.flush()
        own = {"queries": self.queries, "skipped": self.skipped} | self._engine.state()
        return super().state_dict() | {KEY: own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there: give the model the weights of that moment too."""
        if KEY not in state_dict:
            raise BadInput("this is no state of a ZerothOrder: it lacks the entry 'zobench'")
        self.flush()
        saved = state_dict[KEY]
        self._engine.check(saved)
        self._engine.load(saved)  # before torch's part: it raises where it does not fit
        super().load_state_dict({k: state_dict[k] for k in ("state", "param_groups")})
        self._base = self._engine.settings.get("lr", 1.0)
        self.queries, self.skipped = saved["queries"], saved["skipped"]
        self._rates()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Only while it is made: blocks number the noise, so a later group would change it."""
        if self._fixed:
            raise BadInput("parameter groups are fixed: make a new ZerothOrder with all of them")
        super().add_param_group(param_group)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise BadInput("a ZerothOrder cannot be copied or pickled: use its state_dict()")

    def _rates(self) -> None:
        """What the parameter groups say now, to the engine."""
        rates = []
        for group in self.param_groups:
            rate, fraction = float(group["lr"]), float(group["weight_decay"])
            if not (0 <= rate < math.inf and 0 <= fraction < math.inf):
                raise BadInput(f"lr and weight_decay are 0 or above, not {rate:g} and {fraction:g}")
            if not self._has_lr and rate != 1.0:
                raise BadInput(f"{self._entry.name} has no learning rate: lr stays 1, not {rate:g}")
            if fraction and not self._engine.has_rule:
                raise BadInput(f"{self._entry.name} has no weight decay")
            rates.append((rate / self._base, rate * fraction))
        self._engine.rates(rates)
