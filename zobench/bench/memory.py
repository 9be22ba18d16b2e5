"""Peak memory of a sample, above what was held when it began."""

from __future__ import annotations

from zobench.harness import proc


class PeakMemory:
    """`start`, then work, then `peak`: bytes; NaN where the system does not tell."""

    def __init__(self, on_gpu: bool) -> None:
        self.on_gpu, self.base, self.known = on_gpu, 0, True

    def start(self) -> None:
        if self.on_gpu:
            import torch

            torch.cuda.reset_peak_memory_stats()
            self.base = torch.cuda.memory_allocated()
        else:
            proc.trim_heap()
            self.known = proc.reset_peak()
            self.base = proc.memory_of("VmRSS") or 0

    def peak(self) -> float:
        if self.on_gpu:
            import torch

            return torch.cuda.max_memory_allocated() - self.base
        return proc.peak_rss() - self.base if self.known else float("nan")
