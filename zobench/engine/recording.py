"""Record a function of tensors at fixed addresses, to run it again without its Python.

A function to record reads tensors that stay where they are (weights, and buffers that the caller
fills anew), returns tensors, and decides nothing by their values. Recorded once, its device work is
replayed as it was. A model below a billion weights runs hundreds of kernels of microseconds per
forward pass; without a recording, most of the time goes to the host that launches them.

`CudaGraphs` records for a CUDA device. `engine.tape.Tape` keeps the same contract on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

TensorFunction = Callable[[], Sequence[torch.Tensor]]
WARM_UP = 2  # runs on the stream of the capture: libraries take their workspaces there, once


class Recording(Protocol):
    """A recorded function: `replay()` writes what it would return now into `outputs`."""

    outputs: tuple[torch.Tensor, ...]  # buffers of their own, which nothing else writes to

    def replay(self) -> None:
        """Run it on the current stream. The host does not wait."""
        ...


class Recorder(Protocol):
    """Records functions. Results refer to it by `name`."""

    name: str

    def record(self, function: TensorFunction) -> Recording:
        """Run `function` a few times, and return its recording. The outputs are not yet written.

        Raises RuntimeError if it cannot be recorded, or what the function itself raises.
        """
        ...


class CudaGraphs:
    """Recordings as CUDA graphs of one device, on one side stream and in one pool of memory.

    The pool takes as much as the largest function needs while it runs, whatever their number:
    outputs are copied out of it, so nothing in it needs to outlive a replay, and graphs may be
    replayed in any order. Only one replay may be under way at a time: all on one stream.
    """

    name = "cuda"

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream: Any = None
        self._pool: Any = None

    def record(self, function: TensorFunction) -> Recording:
        with torch.cuda.device(self.device):
            if self._stream is None:
                self._stream, self._pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()
            here, side = torch.cuda.current_stream(), self._stream
            side.wait_stream(here)
            with torch.cuda.stream(side):
                shapes = [torch.empty_like(t, device="meta") for t in _runs(function)]
            here.wait_stream(side)
            outputs = tuple(torch.empty_like(t, device=self.device) for t in shapes)
            graph = torch.cuda.CUDAGraph()
            # Other threads (a reader of pinned memory, a meter) may go on with what they do.
            with torch.cuda.graph(
                graph, pool=self._pool, stream=side, capture_error_mode="thread_local"
            ):
                copy_all(outputs, function())
        return _Graph(graph, outputs)


class _Graph:
    def __init__(self, graph: Any, outputs: tuple[torch.Tensor, ...]) -> None:
        self.outputs, self.replay = outputs, graph.replay


def _runs(function: TensorFunction) -> Sequence[torch.Tensor]:
    for _ in range(WARM_UP - 1):
        function()
    return function()


def copy_all(outputs: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> None:
    """Copy each value into its output."""
    for output, tensor in zip(outputs, values, strict=True):
        output.copy_(tensor)
