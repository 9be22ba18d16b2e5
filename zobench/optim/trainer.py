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

    It trains what Trainer trains: all weights, adapters, prompts, biases alone. It needs the
    package accelerate, as Trainer does.

    From TrainingArguments come `learning_rate` (0 or above; the schedule too), `weight_decay` (of
    the parameters that Trainer decays) and `seed`. Estimators without a learning rate (cma-es,
    random-search) ignore the first two.

    `gradient_accumulation_steps` batches make one step: every probe sees all of them, and its loss
    is the mean over all their labels, in the step and in the log. (Trainer itself adds up the
    batches' means where a model takes `num_items_in_batch` and does not use it: 3 batches of loss
    0.69 are logged as 2.07, and would make a step 3 times as long.)

    The way back from the last probe waits for the next one, as with `delay=True`. It is made before
    an evaluation, a checkpoint and the end, and at once where other code may look: callbacks other
    than those that transformers adds, hooks of the optimizer, a subclass of this Trainer.

    A checkpoint has all that the estimator remembers; where that cannot be saved, checkpoints hold
    the model only. There is one process, no loss scaling (fp16) and no gradient clipping.

    Args:
        *args: the arguments of Trainer.
        estimator: a registered name, or "path/to/file.py:name".
        settings: of the estimator, such as {"eps": 1e-3}.
        groups: for block-coordinate methods, names of groups and of their parameters.
        record: a new file for `ZerothOrder.record`.
        **kwargs: the keyword arguments of Trainer.

    Raises:
        BadInput: an argument does not fit zeroth-order steps.

    Example:
        >>> import torch, transformers
        >>> class Model(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = torch.nn.Linear(3, 1)
        ...
        ...     def forward(self, x, labels):
        ...         return {"loss": (self.layer(x) - labels).square().mean()}
        >>> data = [{"x": torch.ones(3), "labels": torch.ones(1)}] * 8
        >>> args = transformers.TrainingArguments(
        ...     "out", max_steps=3, report_to="none", disable_tqdm=True, dataloader_pin_memory=False
        ... )
        >>> zobench.ZerothOrderTrainer(Model(), args, train_dataset=data).train()
        {'train_runtime': ...}
        TrainOutput(global_step=3, ...)
    """

    optimizer: Any  # a TrainerStep, or what transformers puts in its place
    lr_scheduler: Any  # torch's, or one that accelerate has wrapped

    def __init__(
        self,
        *args: Any,
        estimator: str = "mezo",
        settings: Mapping[str, Any] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        record: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        self._estimator, self._settings = estimator, dict(settings or {})
        self._block_groups, self._record = groups, record
        self._batches: list[Any] = []
        self._operations: dict[tuple[int, ...], int] = {}
        doubled = {"lr", "weight_decay", "seed"} & set(self._settings)
        if doubled:
            raise BadInput(f"{min(doubled)} is set in TrainingArguments, not in settings")
        super().__init__(*args, **kwargs)
        training = self.args
        if training.fp16:
            raise BadInput("fp16 scales gradients, and there are none: load the model in 16 bits")
        parallel = training.world_size > 1 or training.n_gpu > 1
        if parallel or self.is_deepspeed_enabled or self.is_fsdp_enabled:
            raise BadInput("ZerothOrderTrainer runs in one process on one device")
        if self._settings.get("share_batch"):
            raise BadInput(
                "a Trainer hands each step a fresh minibatch: for share_batch use ZerothOrder in a "
                "loop of your own"
            )
        if self.optimizer is not None and not isinstance(self.optimizer, TrainerStep):
            raise BadInput("give the estimator's name and settings instead of an optimizer")

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Run Trainer's loop, then flush, so that a record is complete.

        Args:
            *args: those of Trainer.train.
            **kwargs: those of Trainer.train.

        Returns:
            What Trainer.train returns.
        """
        module: Any = self.model
        # Trainer lists the parameters in each step to clear gradients, of which there are none, and
        # listing a module would flush.
        module.__dict__["zero_grad"] = _no_gradients
        try:
            return super().train(*args, **kwargs)
        finally:
            if module.__dict__.get("zero_grad") is _no_gradients:
                del module.__dict__["zero_grad"]
            if self.optimizer is not None:
                getattr(self.optimizer, "optimizer", self.optimizer).flush()

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Estimate the operations of a batch as Trainer does, once per batch size.

        Args:
            inputs: the batch.

        Returns:
            The number of floating-point operations.
        """
        sizes = tuple(v.numel() for v in inputs.values() if isinstance(v, torch.Tensor))
        if sizes not in self._operations:
            self._operations[sizes] = super().floating_point_ops(inputs)
        return self._operations[sizes]

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make a ZerothOrder with Trainer's two parameter groups, with and without weight decay.

        Args:
            model: the module to train; by default that of the Trainer.

        Returns:
            The optimizer.
        """
        if self.optimizer is None:
            module: Any = self.model if model is None else model
            decayed = set(self.get_decay_parameter_names(module))
            named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
            has_lr = "lr" in estimators[self._estimator].defaults
            rates = {"lr": self.args.learning_rate, "weight_decay": self.args.weight_decay}
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
                **(rates if has_lr else {}),
                **self._settings,
            )
            self._check_saving(self.optimizer)
        return self.optimizer

    def _check_saving(self, optimizer: TrainerStep) -> None:
        """Leave an optimizer that cannot be saved out of checkpoints, with a warning."""
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
        """Make Trainer's schedule; a constant one for an estimator without a learning rate.

        Args:
            num_training_steps: the length of the schedule.
            optimizer: by default that of the Trainer.

        Returns:
            The scheduler.
        """
        if self.lr_scheduler is None and "lr" not in estimators[self._estimator].defaults:
            stepped = self.optimizer if optimizer is None else optimizer
            self.lr_scheduler = get_constant_schedule(stepped)
        return super().create_scheduler(num_training_steps, optimizer)

    def training_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Store the batch, and make the step with the last batch of an accumulation.

        Args:
            model: the module to train.
            inputs: the batch.
            num_items_in_batch: the number of labels in the accumulation, if Trainer counts them.

        Returns:
            The loss of the step with its last batch, and 0 with the others.
        """
        if not model.training:  # train() lists the modules, see `train`
            model.train()
        self._batches.append(self._prepare_inputs(inputs))
        if not self.accelerator.sync_gradients:
            return torch.zeros((), device=self.args.device)
        batches, self._batches = self._batches, []
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
        """Return True if code of the user may look at weights between two steps.

        Such are callbacks and a subclass of this Trainer. The optimizer itself looks for hooks.
        """
        callbacks = {type(callback) for callback in self.callback_handler.callbacks}
        own = type(self) is ZerothOrderTrainer and not set(vars(self)) & _OVERRIDABLE
        return bool(callbacks - _BLIND) or not own

    def _objective(
        self, model: nn.Module, batches: Sequence[Any], items: torch.Tensor | int | None
    ) -> Callable[[], Any]:
        """Return the mean loss over all labels of the batches, or over batches without labels.

        It comes from the mean of each batch, as not all models that take the number of `items` use
        it. A loss function of the user gets the number, as Trainer documents.
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
        """True for ask/tell adapters, whose library expects a loss for every candidate."""
        return self._engine.asks_and_tells

    def state_dict(self) -> dict[str, Any]:
        """Return the state; empty if it cannot be saved, as accelerate calls this in any case."""
        return super().state_dict() if self.savable else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if self.savable:
            super().load_state_dict(state_dict)

    def make(self, closure: Any) -> float:
        """Make the step."""
        return super().step(closure)

    def step(self, closure: Any = None, *_: Any, **__: Any) -> float:  # pyright: ignore
        """Do nothing: the step was made when its loss was computed."""
        return 0.0


def _no_gradients(set_to_none: bool = True) -> None:
    """Stand in for `zero_grad` of a module whose parameters never get a gradient."""
