"""A zeroth-order estimator as a torch optimizer: your model, your loop, no gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zobench.errors import BadInput, Unsuitable
from zobench.optim.buffers import Buffers
from zobench.optim.caches import forget
from zobench.optim.closure import Evaluate, NotFinite, explained
from zobench.optim.doubts import Doubts
from zobench.optim.engine import Engine
from zobench.optim.rates import Rates
from zobench.optim.realise import Trial, realised
from zobench.optim.refusals import check_processes
from zobench.optim.reuse import Reuse
from zobench.optim.subject import subject
from zobench.optim.walk import Scaled
from zobench.optim.watch import Watch
from zobench.registry import estimators

KEY = "zobench"  # in a state_dict


class ZerothOrder(torch.optim.Optimizer):
    """Trains tensors in place with a registered estimator, at the memory of inference.

        opt = ZerothOrder(model, "mezo-bcd", lr=1e-5, eps=1e-3)
        loss = opt.step(lambda: model(**batch).loss)

    **Weights.** After `step` the tensors hold the point: read, write, mask, clip or average them as
    with any optimizer. With `delay=True` the way back from the last probe and the move wait for the
    next probe, which saves a pass over the weights per step; until then the tensors hold the last
    probe. To call, list, save, load, copy or move the module or a part of it flushes first (see
    watch.Watch); `layer.weight`, `param_groups` and lists made earlier do not: call `flush()`.

    **Learning rates.** `lr` and `weight_decay` (decoupled: x <- (1 - lr weight_decay) x on the
    blocks that move) stand in `param_groups`, where schedulers of torch.optim set them, and may
    differ by group. Other settings (`eps`, `n`, ...) are the estimator's own. OneCycleLR and
    CyclicLR need cycle_momentum=False, as with all optimizers that have no momentum.

    **Buffers** of the module (running statistics and the like) are written once per step, by its
    first evaluation of the closure, which is mostly that of the first probe. See optim.buffers.

    **Checkpoints.** `state_dict()` has all that the estimator remembers; `load_state_dict` takes
    the settings from there too. With equal weights and realisation a run goes on bit for bit as the
    one that saved; with delay not always as one that did not save: saving flushes, which rounds.
    `record(path)` writes kilobytes from which `zobench.optim.replay` makes the weights again.

    Any estimator that only asks for losses works, in one process; those of other libraries (cma-es,
    nevergrad) store whole points, to which they return: few parameters, and no checkpoints.
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
        delay: bool = False,
        check: bool = True,
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
        delay: of the way back and the move, see above; only for a module.
        check: call the closure once more at the first probe, no query; its two losses must be equal
        stochastic_rounding: of writes to 16-bit weights.
        settings: of the estimator. lr may be a schedule, such as "cosine(1e-3, 2000)": then
            group["lr"] is the number that it scales, and a scheduler of torch multiplies it.
        realisation: "walk" moves the weights to each probe and back, "scratch" lets layers read
            perturbed copies, "auto" chooses. See optim.realise.
        reuse_prefix: for block-coordinate methods on a module with a list of layers: those before
            the first one that a step's probes move run once a step; no loss changes by a bit.
        With scratch or reuse, the first step calls the closure a few times more (no queries), to
            find out whether that is right. With reuse, later closures must run the model alike.
        Raises BadInput for what cannot be, and Unsuitable for an estimator that needs gradients.
        """
        entry = estimators[estimator]
        if entry.first_order:
            raise Unsuitable(f"{estimator} uses gradients: take an optimizer of torch.optim")
        if on_nonfinite not in ("raise", "skip"):
            raise BadInput(f"on_nonfinite is raise or skip, not {on_nonfinite!r}")
        if not isinstance(seed, int):
            raise BadInput(f"seed is an integer, not {seed!r}")
        self._rates = Rates(entry, settings)
        check_processes()
        found = subject(params, model)
        self._fixed, self._skips = False, on_nonfinite == "skip"
        defaults = {"lr": self._rates.lr, "weight_decay": self._rates.decay}
        super().__init__(found.param_groups, defaults)
        self._fixed, self._found = True, found
        rounding = seed if stochastic_rounding else None
        self._walk = walk = realised(realisation, found, found.groups(groups), rounding)
        moves = Scaled(walk, found.members)
        self._engine = Engine(estimator, self._rates.settings, seed, walk, moves)
        if self._skips and self._engine.asks_and_tells:
            raise BadInput(f"{estimator} cannot skip a step: its library waits for the losses")
        self._reuse = Reuse(found, self._walk, self._engine) if reuse_prefix else None
        self._trial = Trial(self._walk, realisation == "auto", self._reuse)
        self.queries = self.skipped = 0
        self._set_rates()
        self._buffers = Buffers(found.model, found.tensors)
        self._doubts = Doubts(found.tensors, found.weights, repeat=check)
        watched = found.model if delay and not self._walk.stays else None
        self._watch = None if watched is None else Watch(watched, self._walk)

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        closure: Callable[..., Any] | None = None,
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
        Raises BadInput for a closure that gives no loss or computes gradients, FloatingPointError
        for a loss that is not finite. Buffers are then as before the step. So are weights: with
        scratch exactly, with walk but for the rounding of the way there and back, which in 16 bits
        adds up over many such steps.
        """
        check_processes()
        self._found.check(self._walk.blocks, self._walk.waiting)
        self._set_rates()
        self._buffers.begin()
        evaluate = Evaluate(
            self._walk, closure, micro_batches, weights, self._found.devices,
            self._buffers, self._doubts, self._engine.probed,
        )  # fmt: skip
        try:
            with explained():
                self._trial.prepare(evaluate)
                self._engine.step(evaluate)
            self._buffers.settle()
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
        finally:
            self._buffers.restore()  # unless they were settled
            forget()
        self.queries += len(evaluate.losses)
        if self._watch is None:
            self._walk.flush()
        return sum(evaluate.losses) / max(1, len(evaluate.losses))

    @property
    def realisation(self) -> str:
        """ "scratch" if probes leave the weights where they are, else "walk"."""
        return "scratch" if self._walk.stays else "walk"

    def flush(self) -> None:
        """Write what is delayed: the tensors hold the exact point. A record is synced."""
        self._walk.flush()
        if self._engine.journal:
            self._engine.journal.sync()

    def close(self) -> None:
        """Flush, end a record, take the hooks off the module: later steps are not delayed."""
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
        with torch.inference_mode(False):  # else what is loaded could not be written later
            self._engine.load(saved)  # before torch's part: it raises where it does not fit
        super().load_state_dict({k: state_dict[k] for k in ("state", "param_groups")})
        self._rates.start(self._engine.settings)
        self.queries, self.skipped = saved["queries"], saved["skipped"]
        self._set_rates()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Only while it is made: blocks number the noise, so a later group would change it."""
        if self._fixed:
            raise BadInput("parameter groups are fixed: make a new ZerothOrder with all of them")
        super().add_param_group(param_group)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise BadInput("a ZerothOrder cannot be copied or pickled: use its state_dict()")

    def _set_rates(self) -> None:
        """What the parameter groups say now, to the engine."""
        engine = self._engine
        engine.rates(self._rates.of(self.param_groups, engine.has_rule, engine.t))
