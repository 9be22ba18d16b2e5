"""Peak memory of a run: of the evaluation alone, and of the steps, without the scoring.

Both above the base, what the process held before the problem was built: that includes packages
which other runs needed, and says nothing of this one. The ratio of the two peaks says what an
estimator costs over inference.
"""

from __future__ import annotations

import sys
from typing import Any

from zobench.harness import proc

SMALLEST = 1 << 20  # bytes; below, the peak of an evaluation says nothing and the ratio is NaN


class Memory:
    """Reads the peak at the borders of a run's parts. Call the methods in their order.

    Only an isolated run, alone in its process, has a peak: a process that has made other runs
    holds what they left.
    """

    def __init__(self, isolated: bool) -> None:
        """Takes the base."""
        if isolated:
            proc.trim_heap()
        self.isolated = proc.reset_peak() and isolated
        self.cuda: Any = None  # torch.cuda, once the problem lives there
        self.base = (proc.memory_of("VmRSS") or 0) if isolated else 0
        self.evaluation = self.steps = 0
        self.stopped = False

    def built(self) -> None:
        """The problem stands; one evaluation follows."""
        self.cuda = _used_cuda()
        if self.cuda is not None:
            self.base = 0  # the allocator holds nothing but the run's
        self._reset()

    def evaluated(self) -> None:
        """The evaluation is over; the steps follow."""
        self.evaluation = self._peak() if self.isolated else 0
        self._reset()

    def pause(self) -> None:
        """Scoring begins: what it uses is not the estimator's."""
        if self.isolated:
            self.steps = max(self.steps, self._peak())

    def resume(self) -> None:
        """Scoring is over."""
        self._reset()

    def stop(self) -> None:
        """The last step is over; what follows does not count."""
        if not self.stopped:
            self.pause()
        self.stopped = True

    @property
    def peak(self) -> float:
        """Bytes of the steps' peak above base; NaN where unknown."""
        return float(max(0, self.steps - self.base)) if self.steps > 0 else float("nan")

    @property
    def ratio(self) -> float:
        """Peak of the steps over peak of evaluation, both above base; NaN where unknown."""
        room = self.evaluation - self.base
        return self.peak / room if room >= SMALLEST else float("nan")

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
    """torch.cuda if this process has memory there; never loads PyTorch, never wakes a GPU."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    held = sum(torch.cuda.memory_allocated(i) for i in range(torch.cuda.device_count()))
    return torch.cuda if held else None
