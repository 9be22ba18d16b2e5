"""A zeroth-order estimator as a torch optimizer: your model, your loop, no gradients."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

import torch
from torch import nn

from zobench.core.params import law_named
from zobench.engine.buffers import Buffers
from zobench.engine.caches import forget
from zobench.engine.unbroken import signals_held
from zobench.engine.wrapping import put_back
from zobench.errors import BadInput, Unsuitable
from zobench.optim.closure import ClosureEvaluator, NotFinite, explained
from zobench.optim.doubts import Doubts
from zobench.optim.engine import Engine
from zobench.optim.rates import Rates
from zobench.optim.realisation import Trial, realised
from zobench.optim.refusals import check_processes
from zobench.optim.reuse import Reuse
from zobench.optim.scaled import Scaled
from zobench.optim.trained import trained_tensors
from zobench.optim.watch import FlushHooks
from zobench.registry import estimators

if TYPE_CHECKING:
    from torch.optim.optimizer import ParamsT

KEY = "zobench"  # in a state_dict


class ZerothOrder(torch.optim.Optimizer):
    """Trains tensors in place with a registered estimator, at the memory of inference.

    **Weights.** After `step` the tensors hold the point: read, write, mask, clip or average them as
    with any optimizer. With `delay=True` the way back from the last probe and the move wait for the
    next probe, which saves a pass over the weights per step; until then the tensors hold the last
    probe, or with "paired" the point before the move. To call, list, save, load, copy or move the
    module or a part of it flushes first. `layer.weight`, `param_groups` and lists made earlier do
    not: call `flush()`.

    **Learning rates.** `lr` and `weight_decay` (decoupled: x <- (1 - lr weight_decay) x on the
    blocks that move) stand in `param_groups`, where schedulers of torch.optim set them, and may
    differ by group. Other settings (`eps`, `n`, ...) are the estimator's own. OneCycleLR and
    CyclicLR need cycle_momentum=False, as with all optimizers that have no momentum.

    **Buffers** of the module (running statistics and the like) are written once per step, by its
    first evaluation of the closure, which is mostly that of the first probe. Tensors alone do not
    show which module they come from, and its buffers are then written by each evaluation: give the
    module, or model=.

    **Checkpoints.** `state_dict()` has all that the estimator remembers; `load_state_dict` takes
    the settings from there too. With equal weights and realisation a run goes on bit for bit as the
    one that saved; with delay not always as one that did not save: saving flushes, which rounds.
    `record(path)` writes kilobytes from which `zobench.replay` makes the weights again.

    Any estimator that only asks for losses works, in one process. Estimators of other libraries
    (cma-es, nevergrad) store whole points: they suit few parameters, and have no checkpoints.

    With "scratch" or `reuse_prefix`, the first step calls the closure a few times more, which are
    not queries, to check that the closure works with it.

    Args:
        params: a module, tensors, (name, tensor) pairs, or dicts {"params": ..., "lr": ...,
            "weight_decay": ...}. Frozen parameters never move, tied ones move once.
        estimator: a registered name, or "path/to/file.py:name".
        model: the module that `params` come from, if they are not a module.
        groups: for block-coordinate methods, names of groups and of their parameters. By default
            decoder layers if the module has a list of layers, else its child modules.
        seed: of all directions.
        on_nonfinite: a loss that is NaN or infinite leaves the weights as before the step, and
            raises FloatingPointError ("raise") or goes on with the next step ("skip").
        delay: let the way back and the move wait for the next probe. This needs a module; with
            "scratch" there is nothing to delay.
        check: call the closure once more at the first probe, which is not a query; its two losses
            must be equal.
        stochastic_rounding: round writes to 16-bit weights stochastically.
        law: of the normal directions: "gaussian", or "hadamard", which takes less than half the
            time. Low-rank directions are Gaussian.
        realisation: "walk" moves the weights to each probe and back, "scratch" lets layers read
            perturbed copies, "paired" does so for all probes of a step in one forward pass, "auto"
            chooses between the first two.
        reuse_prefix: for block-coordinate methods on a module with a list of layers: those before
            the first one that a step's probes move run once per step. No loss changes by a bit.
            Later closures must run the model as the first one did. With share_batch=True of
            mezo-bcd, such a layer runs again only after itself or an earlier one has moved: take a
            fresh minibatch only where `is_same_batch` is False.
        **settings: of the estimator, such as `lr` and `eps`. `lr` may be a schedule, such as
            "cosine(1e-3, 2000)": then group["lr"] is the number that it scales, and a scheduler of
            torch multiplies it.

    Raises:
        BadInput: a name, a setting or the weights are wrong.
        Unsuitable: the estimator needs gradients.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> model, x = torch.nn.Linear(3, 1), torch.randn(8, 3)
        >>> opt = zobench.ZerothOrder(model, "mezo", lr=1e-2, eps=1e-3)
        >>> losses = [opt.step(lambda: model(x).square().mean()) for _ in range(50)]
        >>> losses[-1] < losses[0]
        True
    """

    def __init__(
        self,
        params: nn.Module | ParamsT,
        estimator: str = "mezo",
        *,
        model: nn.Module | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        seed: int = 0,
        on_nonfinite: str = "raise",
        delay: bool = False,
        check: bool = True,
        stochastic_rounding: bool = False,
        law: str = "gaussian",
        realisation: str = "walk",
        reuse_prefix: bool = False,
        **settings: Any,
    ) -> None:
        entry = estimators[estimator]
        if entry.first_order:
            raise Unsuitable(f"{estimator} uses gradients: take an optimizer of torch.optim")
        if on_nonfinite not in ("raise", "skip"):
            raise BadInput(f"on_nonfinite is raise or skip, not {on_nonfinite!r}")
        if not isinstance(seed, int):
            raise BadInput(f"seed is an integer, not {seed!r}")
        self._rates = Rates(entry, settings)
        check_processes()
        trained = trained_tensors(params, model)
        if delay and trained.model is None:
            raise BadInput(
                "delay=True needs the module that the tensors are in, so that reading it writes "
                "what is delayed: give model="
            )
        self._is_fixed, self._skips = False, on_nonfinite == "skip"
        defaults = {"lr": self._rates.lr, "weight_decay": self._rates.decay}
        super().__init__(trained.param_groups, defaults)
        self._is_fixed, self._trained = True, trained
        rounding = seed if stochastic_rounding else None
        self._weights = weights = realised(realisation, trained, trained.groups(groups), rounding)
        weights.law = law_named(law)
        moves = Scaled(weights, trained.members)
        self._engine = Engine(estimator, self._rates.settings, seed, weights, moves)
        if self._skips and self._engine.asks_and_tells:
            raise BadInput(f"{estimator} cannot skip a step: its library waits for the losses")
        self._reuse = Reuse(trained, self._weights, self._engine) if reuse_prefix else None
        if realisation == "paired" and self._engine.batch(0) is None:
            self._reuse = None  # within a step it shares these layers anyway
        self._trial = Trial(self._weights, realisation == "auto", self._reuse)
        self.queries: int = 0
        self.skipped: int = 0
        self._stepping = False
        self._set_rates()
        self._buffers = Buffers(trained.model, trained.tensors)
        self._doubts = Doubts(trained.tensors, trained.weights, repeat=check)
        watched = trained.model if delay and self._weights.realisation.can_delay else None
        self._watch = None if watched is None else FlushHooks(watched, self._weights)

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        closure: Callable[..., SupportsFloat] | None = None,
        micro_batches: Sequence[Any] | None = None,
        weights: Sequence[float] | None = None,
    ) -> float:
        """Make one step of the estimator.

        Args:
            closure: returns the loss, a number or a 0-d tensor, on the same data whenever it is
                called in one step, under torch.no_grad. What it draws from torch's generators
                (dropout) is the same at every probe of a step. It must not draw from others.
            micro_batches: the closure is called with each of them, and the loss of a probe is their
                mean: the step of the whole batch, at the memory of a part. Keep them on the device
                where they run.
            weights: of the micro-batches in that mean, such as numbers of tokens.

        Returns:
            The mean of the probes' losses, for the log.

        Raises:
            BadInput: the closure gives no loss, or computes gradients.
            FloatingPointError: a loss is not finite. Buffers and weights are then as before the
                step; with "walk" up to the rounding of the way there and back, which in 16 bits
                adds up over many such steps. The same holds for an error inside of a write, and
                for Ctrl-C anywhere: what an unfinished write has written is taken back, and an
                estimator's move is made whole or not at all.
        """
        check_processes()
        if self._stepping:
            raise BadInput("step was called inside of the closure of a step")
        self._trained.check(self._weights.blocks, self._weights.waiting)
        self._trained.check_groups(self.param_groups)
        self._set_rates()
        with signals_held():
            return self._step(closure, micro_batches, weights)

    def _step(
        self,
        closure: Callable[..., SupportsFloat] | None,
        micro_batches: Sequence[Any] | None,
        weights: Sequence[float] | None,
    ) -> float:
        if self._weights.is_away:  # the last step broke off, and not all writes were taken back
            self._weights.home()
        self._buffers.begin()
        evaluate = ClosureEvaluator(
            self._weights, closure, micro_batches, weights, self._trained.devices,
            self._buffers, self._doubts, self._engine.probed,
        )  # fmt: skip
        try:
            self._stepping = True
            with explained():
                self._trial.prepare(evaluate)
                self._engine.step(evaluate)
            self._buffers.settle()
            if self._watch is None or self._has_hooks():
                self._weights.flush()
            self._stepping = False
        except NotFinite as error:
            self._bring_back(error)
            with explained():
                if not self._trial.works(evaluate):
                    return self._step(closure, micro_batches, weights)
            if not self._skips:
                raise
            self.skipped += 1
        except BaseException as error:
            self._bring_back(error)
            raise
        finally:
            self._buffers.restore()  # unless they were settled
            forget()
        self.queries += len(evaluate.losses)
        return sum(evaluate.losses) / max(1, len(evaluate.losses))

    def _bring_back(self, error: BaseException) -> None:
        """Bring the weights back to the point, and modules to what they were, after an error."""
        self._stepping = False
        put_back()
        self._engine.broke()
        with torch.inference_mode(False), torch.no_grad():
            self._weights.home()
        if self._weights.broke or not isinstance(error, Exception):
            self._engine.end_record()
        self.flush()

    @property
    def realisation(self) -> str:
        """How probes reach the weights: "walk", "scratch" or "paired"."""
        return self._weights.realisation.name

    @property
    def is_same_batch(self) -> bool:
        """True if the next step is to see the same data as the last one (`share_batch`)."""
        t = self._engine.t
        batch = self._engine.batch(t) if t else None
        return batch is not None and batch == self._engine.batch(t - 1)

    def flush(self) -> None:
        """Write delayed moves, so that the tensors hold the point. Sync the record, if any."""
        self._weights.flush()
        if self._engine.journal:
            self._engine.journal.sync()

    def close(self) -> None:
        """Flush, end the record, and take the hooks off the module: later steps do not delay."""
        self.flush()
        self._engine.close()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def record(self, path: str | Path) -> None:
        """Write what each step does into a new file, from which `replay` makes the weights again.

        It takes some 30 bytes per MeZO step. The file is readable after each `flush()`, and
        complete after `close()`. One step is first rehearsed on made-up losses, and moves nothing.

        Args:
            path: of the new file.

        Raises:
            BadInput: the file exists, or the steps of this estimator cannot be replayed.
        """
        self._engine.record(path, self._trained.model)

    def state_dict(self) -> dict[str, Any]:
        """Flush, and return the state for torch.save.

        Returns:
            What torch.optim returns, and all that the estimator remembers.

        Raises:
            BadInput: the estimator holds what cannot be saved.
        """
        self.flush()
        own = {"queries": self.queries, "skipped": self.skipped} | self._engine.state()
        return super().state_dict() | {KEY: own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state. Give the model the weights of that moment too.

        Args:
            state_dict: what `state_dict()` returned.

        Raises:
            BadInput: the state is of another estimator or model, or damaged.
        """
        if not isinstance(state_dict, Mapping) or KEY not in state_dict:
            raise BadInput("this is not the state of a ZerothOrder: it lacks the entry 'zobench'")
        self.flush()
        saved = state_dict[KEY]
        self._engine.check(saved)
        self._check_groups(state_dict.get("param_groups"))
        with torch.inference_mode(False):  # else what is loaded could not be written later
            self._engine.load(saved)  # before torch's part: it raises where it does not fit
        if self._reuse:
            self._reuse.forget()
        super().load_state_dict({"state": {}, "param_groups": state_dict["param_groups"]})
        self._rates.start(self._engine.settings)
        self.queries, self.skipped = saved["queries"], saved["skipped"]
        self._set_rates()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Raise BadInput: the noise depends on the blocks' numbers, so groups cannot be added.

        Args:
            param_group: as in torch.optim.
        """
        if self._is_fixed:
            raise BadInput("parameter groups are fixed: make a new ZerothOrder with all of them")
        super().add_param_group(param_group)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise BadInput("a ZerothOrder cannot be copied or pickled: use its state_dict()")

    def _check_groups(self, saved: Any) -> None:
        """Raise BadInput unless saved parameter groups are like those here."""
        groups = saved if isinstance(saved, list) else []
        if not all(isinstance(group, dict) for group in groups) or (
            [len(group.get("params", ())) for group in groups]
            != [len(group["params"]) for group in self.param_groups]
        ):
            raise BadInput("the state is damaged, or of other parameter groups")
        self._rates.of(groups, self._engine.has_rule, self._engine.t)

    def _set_rates(self) -> None:
        """Hand the rates of the parameter groups to the engine."""
        engine = self._engine
        engine.rates(self._rates.of(self.param_groups, engine.has_rule, engine.t))

    def _has_hooks(self) -> bool:
        """Return True if torch calls hooks around a step, of this optimizer or of all.

        They may look at weights.
        """
        module = sys.modules[torch.optim.Optimizer.__module__]
        of_all = (getattr(module, f"_global_optimizer_{w}_hooks", None) for w in ("pre", "post"))
        own = (self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks)
        return any(own) or any(of_all)
