"""transformers.Trainer without gradients: the same arguments, data, evaluation and checkpoints."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    DefaultFlowCallback,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    get_constant_schedule,
)

from zobench.errors import BadInput
from zobench.optim.optimizer import ZerothOrder
from zobench.optim.refusals import scripted
from zobench.registry import estimators

_BLIND = {DefaultFlowCallback, PrinterCallback, ProgressCallback}  # they look at no weights
# What may be replaced in a Trainer object itself, and runs between two steps.
_OVERRIDABLE = {"log", "training_step", "evaluate", "create_optimizer", "get_batch_samples"}


class ZerothOrderTrainer(Trainer):
    """A Trainer whose update is one zeroth-order step on the batches of an accumulation.

    It trains what Trainer trains: all weights, adapters, prompts, biases alone.

        ZerothOrderTrainer(model, args, train_dataset=data, estimator="mezo-bcd",
                           settings={"eps": 1e-3}).train()

    From TrainingArguments come `learning_rate` (0 or above; the schedule too), `weight_decay` (of
    the parameters that Trainer decays) and `seed`. Estimators without a learning rate (cma-es,
    random-search) ignore the first two. `gradient_accumulation_steps` batches make one step: every
    probe sees all of them, and its loss is the mean over all their labels, in the step and in the
    log. (Trainer itself adds up the batches' means where a model takes `num_items_in_batch` and
    does not use it: 3 batches of loss 0.69 are logged as 2.07, and would make a step 3 times as
    long.) The way back from the last probe waits for the next one, as with `delay=True`: the loop
    is zobench's. It is made before an evaluation, a checkpoint and the end, and at once where code
    of others may look: callbacks other than those that transformers adds, hooks of the optimizer, a
    subclass of this Trainer.
    A checkpoint has all that the estimator remembers; where that cannot be saved, checkpoints hold
    the model only. One process, no loss scaling (fp16), no gradient clipping: there is no gradient.
    Needs the package accelerate, as Trainer does.
    """

    def __init__(
        self,
        *args: Any,
        estimator: str = "mezo",
        settings: Mapping[str, Any] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        record: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        """Beside Trainer's own: `estimator`, its `settings` and the `groups` of ZerothOrder.

        record: a new file for `ZerothOrder.record`. Raises BadInput for arguments that do not go
        with zeroth-order steps.
        """
        self._estimator, self._settings = estimator, dict(settings or {})
        self._block_groups, self._record = groups, record
        self._held: list[Any] = []
        self._operations: dict[tuple[int, ...], int] = {}
        taken = {"lr", "weight_decay", "seed"} & set(self._settings)
        if taken:
            raise BadInput(f"{min(taken)} is set in TrainingArguments, not in settings")
        super().__init__(*args, **kwargs)
        given = self.args
        if given.fp16:
            raise BadInput("fp16 scales gradients, and there are none: load the model in 16 bits")
        parallel = given.world_size > 1 or given.n_gpu > 1
        if parallel or self.is_deepspeed_enabled or self.is_fsdp_enabled:
            raise BadInput("ZerothOrderTrainer runs in one process on one device")
        if self.optimizer is not None and not isinstance(self.optimizer, TrainerStep):
            raise BadInput("give the estimator's name and settings instead of an optimizer")

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trainer's loop; afterwards a record is whole."""
        module: Any = self.model
        # Trainer lists the parameters in each step to forget gradients, and there are none; a
        # module that is listed must be at the point.
        module.__dict__["zero_grad"] = _no_gradients
        try:
            return super().train(*args, **kwargs)
        finally:
            if module.__dict__.get("zero_grad") is _no_gradients:
                del module.__dict__["zero_grad"]
            if self.optimizer is not None:
                getattr(self.optimizer, "optimizer", self.optimizer).flush()

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Trainer's estimate for a batch, from parameters that are counted once per batch size."""
        sizes = tuple(v.numel() for v in inputs.values() if isinstance(v, torch.Tensor))
        if sizes not in self._operations:
            self._operations[sizes] = super().floating_point_ops(inputs)
        return self._operations[sizes]

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Trainer's two parameter groups, with and without weight decay, of a ZerothOrder."""
        if self.optimizer is None:
            module: Any = self.model if model is None else model
            decayed = set(self.get_decay_parameter_names(module))
            named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
            has_lr = "lr" in estimators[self._estimator].defaults
            given = {"lr": self.args.learning_rate, "weight_decay": self.args.weight_decay}
            self.optimizer = TrainerStep(
                [
                    {"params": [(n, p) for n, p in named if n in decayed]},
                    {"params": [(n, p) for n, p in named if n not in decayed], "weight_decay": 0.0},
                ],
                self._estimator,
                model=module,
                groups=self._block_groups,
                seed=self.args.seed,
                delay=not scripted(module),
                **(given if has_lr else {}),
                **self._settings,
            )
            self._check_saving(self.optimizer)
        return self.optimizer

    def _check_saving(self, optimizer: TrainerStep) -> None:
        """Checkpoints hold no optimizer that cannot be saved: no error at the first one."""
        try:
            if optimizer.asks_and_tells:  # nevergrad's is only made in the first step
                raise BadInput(f"{self._estimator} cannot be saved: its library keeps its state")
            optimizer.state_dict()
        except BadInput as error:
            optimizer.savable = False
            if self.args.save_strategy != "no" and not self.args.save_only_model:
                self.args.save_only_model = True
                warnings.warn(
                    f"{error}: checkpoints hold the model only, and no run goes on from them",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Trainer's; a constant one for an estimator without a learning rate."""
        if self.lr_scheduler is None and "lr" not in estimators[self._estimator].defaults:
            given = self.optimizer if optimizer is None else optimizer
            self.lr_scheduler = get_constant_schedule(given)
        return super().create_scheduler(num_training_steps, optimizer)

    def training_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Keeps the batch; with the last one of an accumulation, makes the step.

        The loss of the step is reported with its last batch, and 0 with the others.
        """
        if not model.training:  # train() lists the modules, see `train`
            model.train()
        self._held.append(self._prepare_inputs(inputs))
        if not self.accelerator.sync_gradients:
            return torch.zeros((), device=self.args.device)
        batches, self._held = self._held, []
        closure = self._objective(model, batches, num_items_in_batch)
        step = getattr(self.optimizer, "optimizer", self.optimizer)  # accelerate wraps it
        if self._record is not None:
            step.record(self._record)
            self._record = None
        loss = step.make(closure)
        if self._is_watched():
            step.flush()
        return torch.tensor(loss, device=self.args.device)

    def _is_watched(self) -> bool:
        """Does code that is neither ours nor Trainer's run between two steps, and may see weights?

        Callbacks of the user's, a subclass of this Trainer. Hooks are the optimizer's to see to.
        """
        callbacks = {type(callback) for callback in self.callback_handler.callbacks}
        own = type(self) is ZerothOrderTrainer and not set(vars(self)) & _OVERRIDABLE
        return bool(callbacks - _BLIND) or not own

    def _objective(
        self, model: nn.Module, batches: Sequence[Any], items: torch.Tensor | int | None
    ) -> Callable[[], Any]:
        """The mean loss over all labels of the batches; over the batches where none are counted.

        Each batch's own mean is asked for, as not all models that take the number of `items` use
        it. A loss function of the user's own gets it, as Trainer says that it does.
        """
        scaled = self.loss_is_scaled_for_ga
        if scaled or (scaled is None and self.compute_loss_func is not None):
            shares = [1.0] * len(batches)
        else:
            items = None
            counts = [self._get_num_items_in_batch([batch], self.args.device) for batch in batches]
            numbers = [1.0 if scaled is False or n is None else float(n) for n in counts]
            total = sum(numbers)
            shares = [n / total for n in numbers] if total else [1 / len(batches)] * len(batches)

        def loss(batch: Any) -> Any:
            with self.compute_loss_context_manager():
                return self.compute_loss(model, {**batch}, num_items_in_batch=items)

        return lambda: sum(share * loss(batch) for share, batch in zip(shares, batches) if share)

    def _clip_grad_norm(self, model: nn.Module) -> None:
        return None

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> None:
        return None


class TrainerStep(ZerothOrder):
    """The optimizer as Trainer calls it: `step()`, after the loss was computed elsewhere."""

    savable = True

    @property
    def asks_and_tells(self) -> bool:
        """Does a library wait for an answer to each of its questions?"""
        return self._engine.asks_and_tells

    def state_dict(self) -> dict[str, Any]:
        """Nothing where it cannot be saved: accelerate asks for it in any case."""
        return super().state_dict() if self.savable else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if self.savable:
            super().load_state_dict(state_dict)

    def make(self, closure: Any) -> float:
        """The step."""
        return super().step(closure)

    def step(self, closure: Any = None, *_: Any, **__: Any) -> float:  # pyright: ignore
        """Nothing: the step was made when its loss was known."""
        return 0.0


def _no_gradients(set_to_none: bool = True) -> None:
    """`zero_grad` of a module whose parameters never get a gradient."""
