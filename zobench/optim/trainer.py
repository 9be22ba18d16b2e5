"""transformers.Trainer without gradients: the same arguments, data, evaluation and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Trainer

from zobench.errors import BadInput
from zobench.optim.optimizer import ZerothOrder


class ZerothOrderTrainer(Trainer):
    """A Trainer whose update is one zeroth-order step on the batches of an accumulation.

        ZerothOrderTrainer(model, args, train_dataset=data, estimator="mezo-bcd",
                           settings={"eps": 1e-3}).train()

    From TrainingArguments come `learning_rate` (0 or above; the schedule too), `weight_decay` (of
    the parameters that Trainer decays) and `seed`. `gradient_accumulation_steps` batches make one
    step: every probe sees all of them, and its loss is what Trainer would have accumulated.
    A checkpoint has all that the estimator remembers. One process, no loss scaling (fp16), no
    gradient clipping: there is no gradient. Needs the package accelerate, as Trainer does.
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
        try:
            return super().train(*args, **kwargs)
        finally:
            if self.optimizer is not None:
                getattr(self.optimizer, "optimizer", self.optimizer).flush()

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Trainer's two parameter groups, with and without weight decay, of a ZerothOrder."""
        if self.optimizer is None:
            module: Any = self.model if model is None else model
            decayed = set(self.get_decay_parameter_names(module))
            named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
            self.optimizer = TrainerStep(
                [
                    {"params": [(n, p) for n, p in named if n in decayed]},
                    {"params": [(n, p) for n, p in named if n not in decayed], "weight_decay": 0.0},
                ],
                self._estimator,
                model=module,
                groups=self._block_groups,
                seed=self.args.seed,
                delay=False,  # Trainer looks at parameters at every step, and must not flush each
                lr=self.args.learning_rate,
                weight_decay=self.args.weight_decay,
                **self._settings,
            )
        return self.optimizer

    def training_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Keeps the batch; with the last one of an accumulation, makes the step.

        The loss of the step is reported with its last batch, and 0 with the others.
        """
        model.train()
        self._held.append(self._prepare_inputs(inputs))
        if not self.accelerator.sync_gradients:
            return torch.zeros((), device=self.args.device)
        batches, self._held = self._held, []

        def closure() -> Any:
            return sum(self._share(model, batch, num_items_in_batch) for batch in batches)

        step = getattr(self.optimizer, "optimizer", self.optimizer)  # accelerate wraps it
        if self._record is not None:
            step.record(self._record)
            self._record = None
        return torch.tensor(step.make(closure), device=self.args.device)

    def _share(self, model: nn.Module, batch: Any, items: torch.Tensor | int | None) -> Any:
        """What a batch adds to the loss of the accumulation."""
        with self.compute_loss_context_manager():
            loss: Any = self.compute_loss(model, {**batch}, num_items_in_batch=items)
        scaled = self.loss_is_scaled_for_ga
        if scaled is None:
            by_items = self.model_accepts_loss_kwargs and items is not None
            scaled = by_items or self.compute_loss_func is not None
        return loss if scaled else loss / self.current_gradient_accumulation_steps

    def _clip_grad_norm(self, model: nn.Module) -> None:
        return None

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> None:
        return None


class TrainerStep(ZerothOrder):
    """The optimizer as Trainer calls it: `step()`, after the loss was computed elsewhere."""

    def make(self, closure: Any) -> float:
        """The step."""
        return super().step(closure)

    def step(self, closure: Any = None, *_: Any, **__: Any) -> float:  # pyright: ignore
        """Nothing: the step was made when its loss was known."""
        return 0.0
