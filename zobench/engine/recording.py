"""Recorded calls: a function of tensors at fixed addresses, run again without its Python.

What a recorder is given must read tensors that stay where they are (weights, and buffers that the
caller fills anew), must give tensors, and must not decide anything by their values. Recorded once,
its device work is replayed as it was: for a model below a billion weights, whose forward pass is
hundreds of kernels of microseconds, the host is otherwise what takes the time.

`CudaGraphs` records for a CUDA device. `core.tape.Tape` keeps the same contract on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

TensorFunction = Callable[[], Sequence[torch.Tensor]]
WARM_UP = 2  # runs on the stream of the capture: libraries take their workspaces there, once


class Recording(Protocol):
    """A function that was recorded: `replay()` writes what it gives now into `outputs`."""

    outputs: tuple[torch.Tensor, ...]  # buffers of their own, which nothing else writes to

    def replay(self) -> None:
        """Run it on the current stream; the host does not wait."""
        ...


class Recorder(Protocol):
    """Records functions. `name` is how results call it."""

    name: str

    def record(self, function: TensorFunction) -> Recording:
        """Runs `function` a few times; the outputs are not yet written.

        Raises RuntimeError where it cannot be recorded, or what the function itself raises.
        """
        ...


class CudaGraphs:
    """Recordings as CUDA graphs of one device, on one side stream and in one pool of memory.

    The pool takes as much as the largest function needs while it runs, whatever their number:
    outputs are copied out of it, so nothing in it must outlive a replay, and graphs may be
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


def copy_all(outputs: Sequence[torch.Tensor], found: Sequence[torch.Tensor]) -> None:
    """Into each output what was found."""
    for output, tensor in zip(outputs, found, strict=True):
        output.copy_(tensor)
