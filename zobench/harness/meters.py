"""Peak memory of a run: of one evaluation, and of the steps, without the scoring.

Both count above a base, the memory of the process before the problem was built: that includes
packages which only other runs need. The ratio of the peaks is the cost of an estimator over
inference.
"""

from __future__ import annotations

import sys
from typing import Any

from zobench.harness import proc

SMALLEST = 1 << 20  # bytes; if an evaluation takes less, the ratio means nothing and is NaN


class Memory:
    """Reads the peak between the parts of a run; the methods are called in their order here.

    Only an isolated run, alone in its process, has a peak: a process that made other runs still
    holds memory of theirs.
    """

    def __init__(self, isolated: bool) -> None:
        """Read the base."""
        if isolated:
            proc.trim_heap()
        self.isolated = proc.reset_peak() and isolated
        self.cuda: Any = None  # torch.cuda, once the problem lives there
        self.base = (proc.memory_of("VmRSS") or 0) if isolated else 0
        self.evaluation = self.steps = 0
        self.stopped = False

    def built(self) -> None:
        """Note that the problem is built; one evaluation follows."""
        self.cuda = _used_cuda()
        if self.cuda is not None:
            self.base = 0  # the allocator has the run's memory alone
        self._reset()

    def evaluated(self) -> None:
        """Note that the evaluation is over; the steps follow."""
        self.evaluation = self._peak() if self.isolated else 0
        self._reset()

    def pause(self) -> None:
        """Note that scoring begins, whose memory does not count."""
        if self.isolated:
            self.steps = max(self.steps, self._peak())

    def resume(self) -> None:
        """Note that scoring is over."""
        self._reset()

    def stop(self) -> None:
        """Note that the last step is over; memory used later does not count."""
        if not self.stopped:
            self.pause()
        self.stopped = True

    @property
    def peak(self) -> float:
        """The peak of the steps above the base, in bytes; NaN if unknown."""
        return float(max(0, self.steps - self.base)) if self.steps > 0 else float("nan")

    @property
    def kind(self) -> str:
        """How the peak was measured: "process", "cuda", or "" if it was not."""
        if not self.steps > 0:
            return ""
        return "process" if self.cuda is None else "cuda"

    @property
    def ratio(self) -> float:
        """The peak of the steps over that of an evaluation, both above the base; NaN if unknown."""
        evaluation = self.evaluation - self.base
        return self.peak / evaluation if evaluation >= SMALLEST else float("nan")

    def _peak(self) -> int:
        if self.cuda is None:
            return proc.peak_rss()
        count = self.cuda.device_count()
        return sum(self.cuda.max_memory_allocated(i) for i in range(count))

    def _reset(self) -> None:
        if not self.isolated:
            return
        if self.cuda is None:
            proc.trim_heap()
            proc.reset_peak()
        else:
            for i in range(self.cuda.device_count()):
                self.cuda.reset_peak_memory_stats(i)


def _used_cuda() -> Any:
    """Return torch.cuda if this process uses a GPU; PyTorch is not loaded, nor a GPU started."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    in_use = sum(torch.cuda.memory_allocated(i) for i in range(torch.cuda.device_count()))
    return torch.cuda if in_use else None
