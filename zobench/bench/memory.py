"""Peak memory of a sample, above the memory at its beginning."""

from __future__ import annotations

from zobench.harness import proc


class PeakMemory:
    """Peak memory between `start` and `peak`, in bytes; NaN if the system does not report it."""

    def __init__(self, on_gpu: bool) -> None:
        self.on_gpu, self.base, self.is_reset = on_gpu, 0, True

    def start(self) -> None:
        """Begin a sample."""
        if self.on_gpu:
            import torch

            torch.cuda.reset_peak_memory_stats()
            self.base = torch.cuda.memory_allocated()
        else:
            proc.trim_heap()
            self.is_reset = proc.reset_peak()
            self.base = proc.memory_of("VmRSS") or 0

    def peak(self) -> float:
        """Return the peak since `start`, above the memory at `start`."""
        if self.on_gpu:
            import torch

            return torch.cuda.max_memory_allocated() - self.base
        return proc.peak_rss() - self.base if self.is_reset else float("nan")
