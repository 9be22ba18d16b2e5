"""The reference of `zobench bench step`: a MeZO step as published trainers make it.

Its behaviour is copied, not its code (Malladi et al., 2023, https://arxiv.org/abs/2305.17333, and
the trainers that follow it): four passes over the weights per step (to x + eps z, to x - eps z,
back to x, and the update). Each of them seeds the global generator, draws every tensor's noise
afresh with torch.normal in the weights' own type, and computes with temporaries as large as the
tensor. The loss runs one sequence per label word, and makes the logits of the whole vocabulary
everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from zobench.bench.subject import Meter
    from zobench.objectives.llm.batches import Batch


class TextbookMeZO:
    """x <- x - lr (f(x + eps z) - f(x - eps z)) / (2 eps) z on the model's trainable tensors."""

    def __init__(
        self, model: PreTrainedModel, batch: Batch, lr: float, eps: float, meter: Meter
    ) -> None:
        self.model, self.batch, self.lr, self.eps, self.meter = model, batch, lr, eps, meter
        self.weights: Sequence[torch.Tensor] = [p for p in model.parameters() if p.requires_grad]
        self.seed = 0

    def step(self) -> None:
        """Make one step."""
        self.seed += 1
        self.walk(self.eps)
        plus = self.loss()
        self.walk(-2 * self.eps)
        minus = self.loss()
        self.walk(self.eps)
        self.walk(-self.lr * (plus - minus) / (2 * self.eps))

    def walk(self, scale: float) -> None:
        """Move x <- x + scale z, with z of this step's seed and full-size temporaries."""
        import torch

        torch.manual_seed(self.seed)
        for weight in self.weights:
            z = torch.normal(
                mean=0.0, std=1.0, size=weight.shape, device=weight.device, dtype=weight.dtype
            )
            weight.data = weight.data + scale * z

    def loss(self) -> float:
        """Return the loss, and time it."""
        return self.meter.timed(self.forward)

    def forward(self) -> float:
        """Return the loss as a number on the host, as published code does."""
        import torch

        from zobench.objectives.llm.loss import textbook_loss

        with torch.inference_mode():
            return textbook_loss(self.model, self.batch).item()
