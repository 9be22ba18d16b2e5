"""What is seen while runs are made: a live bar in a terminal, a line a cell elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from zobench.display import text
from zobench.display.eta import Eta, clock, left
from zobench.harness.plan import RunSpec
from zobench.harness.pool import Event

if TYPE_CHECKING:
    from rich.console import RenderableType

FAILED = ("failed", "timeout", "oom")
CELLS = 40  # of a problem and an estimator: with more, lines come by the clock
PAUSE = 10.0  # seconds between two of them
SHOWN = 6  # current runs that have a line of their own


@contextmanager
def shown(
    specs: Sequence[RunSpec], done: set[str], title: str = ""
) -> Iterator[Callable[[Event], None]]:
    """Show the making of `specs`, of which those with a key in `done` are made already.

    `title` says which runs they are, where a command makes runs in several goes.
    """
    unique = {spec.key: spec for spec in specs}
    eta = Eta(list(unique.values()))
    for key in done & set(unique):
        eta.resumed(unique[key])
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        bar = Bar(eta, len(unique), len(done), title)
        console = Console(stderr=True)
        with Live(get_renderable=bar.render, console=console, transient=True):
            yield bar.on_event
    else:
        yield Lines(eta, list(unique.values()), done, title).on_event


class Bar:
    """Runs done, time left, and the runs in progress with their queries."""

    def __init__(self, eta: Eta, total: int, made: int, title: str = "") -> None:
        self.eta, self.total, self.made, self.title = eta, total, made, title
        self.current: dict[str, Event] = {}
        self.failures = 0
        self.last_failure = ""

    def on_event(self, event: Event) -> None:
        if event.kind != "finished":
            self.current[event.spec.key] = event
            return
        self.current.pop(event.spec.key, None)
        self.made = event.made
        result = event.result
        assert result is not None
        self.eta.finished(event.spec, result.estimator_seconds + result.objective_seconds)
        if result.status in FAILED:
            self.failures += 1
            self.last_failure = f"{_where(event.spec)}: {result.status}: {result.reason}"

    def render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 2))
        head.add_row(
            ProgressBar(total=max(1, self.total), completed=self.made, width=30),
            f"{self.made:,} of {self.total:,} runs",
            f"{clock(self.eta.elapsed)} so far",
            left(self.eta),
        )
        lines: list[RenderableType] = [Text(self.title), head] if self.title else [head]
        for event in list(self.current.values())[:SHOWN]:
            budget = event.spec.problem.budget
            best = f", best {text.number(event.best)}" if event.best == event.best else ""
            line = f"  {_where(event.spec)}: {event.queries:,} of {budget:,} queries{best}"
            lines.append(Text(line, no_wrap=True, overflow="ellipsis", style="dim"))
        if not self.current:
            lines.append(Text("  loading", style="dim"))
        if self.failures:
            line = f"  {self.failures} failed so far; {self.last_failure}"
            lines.append(Text(line, no_wrap=True, overflow="ellipsis", style="red"))
        return Group(*lines)


class Lines:
    """Lines on stderr: one for each cell that is done, or, of many cells, one now and then."""

    def __init__(self, eta: Eta, specs: Sequence[RunSpec], done: set[str], title: str = "") -> None:
        self.eta, self.title = eta, f"{title}: " if title else ""
        self.waiting: dict[tuple[str, str], set[str]] = {}
        for spec in specs:
            if spec.key not in done:
                self.waiting.setdefault(_cell(spec), set()).add(spec.key)
        self.many = len(self.waiting) > CELLS
        self.results: dict[tuple[str, str], list[str]] = {}
        self.told = self.eta.elapsed

    def on_event(self, event: Event) -> None:
        if event.kind != "finished":
            return
        assert event.result is not None
        cell = _cell(event.spec)
        took = event.result.estimator_seconds + event.result.objective_seconds
        self.eta.finished(event.spec, took)
        self.results.setdefault(cell, []).append(event.result.status)
        self.waiting[cell].discard(event.spec.key)
        last = event.made == event.total
        if self.many and (last or self.eta.elapsed - self.told > PAUSE):
            self.told = self.eta.elapsed
            self._tell(event, "", [s for cell in self.results.values() for s in cell])
        elif not self.many and not self.waiting[cell]:
            self._tell(event, f" {', '.join(cell)}:", self.results[cell])

    def _tell(self, event: Event, where: str, statuses: list[str]) -> None:
        words = [f"{statuses.count('target')} of {len(statuses)} reached the final target"]
        for status in (*FAILED, "diverged", "skipped"):
            words += [f"{statuses.count(status)} {status}"] if status in statuses else []
        last = event.made == event.total
        when = f"took {clock(self.eta.elapsed)}" if last else left(self.eta)
        line = f"[{self.title}{event.made}/{event.total}]{where} {', '.join(words)} ({when})"
        with suppress(OSError):  # nobody reads it: the runs go on
            print(line, file=sys.stderr, flush=True)


def _cell(spec: RunSpec) -> tuple[str, str]:
    return spec.problem.id, spec.estimator.text


def _where(spec: RunSpec) -> str:
    return f"{spec.estimator.text} on {spec.problem.id}, run {spec.repetition + 1}"
