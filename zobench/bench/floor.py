"""The floor of a step: the time of its forward passes and of its passes over the weights alone."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from transformers import PreTrainedModel

    from zobench.objectives.llm.batches import Batch

TRIES = 7
BUFFER = {"cpu": 1 << 26, "cuda": 1 << 31}  # bytes that a copy moves, far above every cache


@dataclass(frozen=True)
class Machine:
    """The speed of the device in this process: FLOP/s of matrix products, bytes/s of a pass."""

    flops: float
    bandwidth: float


@dataclass(frozen=True)
class Work:
    """The operations of a forward pass and the bytes of the weights, of one model and batch."""

    flops: float  # of a forward pass
    weight_bytes: float  # of all weights that move

    def floor(self, machine: Machine, forwards: float, passes: float) -> tuple[float, float]:
        """Return the seconds of the forward passes, and of reads and writes of all weights."""
        return (
            forwards * self.flops / machine.flops,
            passes * 2 * self.weight_bytes / machine.bandwidth,
        )


def work(model: PreTrainedModel, batch: Batch) -> Work:
    """Count the operations in the layers' matrices and in attention, without the logits."""
    from zobench.engine.groups import layers

    rows, tokens = batch.ids.shape
    stack = layers(model)
    matrices = sum(p.numel() for layer in stack for p in layer.parameters() if p.dim() > 1)
    width = int(model.get_input_embeddings().weight.shape[1])  # pyright: ignore
    attention = 4 * rows * tokens**2 * width * len(stack)
    size = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    return Work(2.0 * rows * tokens * matrices + attention, size)


def machine(model: PreTrainedModel, batch: Batch, sync: Callable[[], object]) -> Machine:
    """Measure with matrices of the model's own shape, and with a buffer larger than caches."""
    import torch

    weight: torch.Tensor = model.get_input_embeddings().weight  # pyright: ignore
    width, kind = weight.shape[1], {"device": weight.device, "dtype": weight.dtype}
    x = torch.randn(batch.ids.numel(), width, **kind)
    w = torch.randn(4 * width, width, **kind)
    product = torch.empty(len(x), len(w), **kind)
    size = BUFFER.get(weight.device.type, 1 << 26) // 4
    buffer = torch.zeros(size, device=weight.device)

    def seconds(work: Callable[[], object], count: int) -> float:
        samples = []
        for _ in range(TRIES + 1):
            sync()
            began = perf_counter()
            for _ in range(count):
                work()
            sync()
            samples.append((perf_counter() - began) / count)
        return median(samples[1:])

    with torch.inference_mode():
        multiply = seconds(lambda: torch.mm(x, w.T, out=product), 10)
        add = seconds(lambda: buffer.add_(1.0), 2)
    return Machine(2.0 * len(x) * width * len(w) / multiply, 2 * buffer.nbytes / add)
