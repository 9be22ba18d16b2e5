"""Progress while runs are made: a live bar in a terminal, and single lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from zobench.display import text
from zobench.display.eta import Eta, clock, pair_of, time_left
from zobench.harness.plan import RunSpec
from zobench.harness.pool import Event

if TYPE_CHECKING:
    from rich.console import RenderableType

FAILED = ("failed", "timeout", "oom")
PAIRS = 40  # of a problem and an estimator: with more of them, lines are printed by the clock
PAUSE = 10.0  # seconds between two lines that are printed by the clock
SHOWN = 6  # runs in progress that have a line each


@contextmanager
def progress_display(
    specs: Sequence[RunSpec], done: set[str], title: str = ""
) -> Iterator[Callable[[Event], None]]:
    """Show the progress of `specs`, where runs with a key in `done` have stored results.

    `title` names the runs, for commands that make runs in several rounds.
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
    """A live bar: finished runs, remaining time, and the runs in progress with their queries."""

    def __init__(self, eta: Eta, total: int, n_made: int, title: str = "") -> None:
        self.eta, self.total, self.n_made, self.title = eta, total, n_made, title
        self.current: dict[str, Event] = {}
        self.failures = 0
        self.last_failure = ""

    def on_event(self, event: Event) -> None:
        """Take in an event of the pool of workers."""
        if event.kind != "finished":
            self.current[event.spec.key] = event
            return
        self.current.pop(event.spec.key, None)
        self.n_made = event.n_made
        result = event.result
        assert result is not None
        self.eta.finished(event.spec, result.estimator_seconds + result.objective_seconds)
        if result.status in FAILED:
            self.failures += 1
            self.last_failure = f"{_cell_text(event.spec)}: {result.status}: {result.reason}"

    def render(self) -> RenderableType:
        """Return the bar as rich shows it."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 2))
        head.add_row(
            ProgressBar(total=max(1, self.total), completed=self.n_made, width=30),
            f"{self.n_made:,} of {self.total:,} runs",
            f"{clock(self.eta.elapsed)} so far",
            time_left(self.eta),
        )
        lines: list[RenderableType] = [Text(self.title), head] if self.title else [head]
        for event in list(self.current.values())[:SHOWN]:
            budget = event.spec.problem.budget
            best = f", best {text.number(event.best)}" if event.best == event.best else ""
            line = f"  {_cell_text(event.spec)}: {event.queries:,} of {budget:,} queries{best}"
            lines.append(Text(line, no_wrap=True, overflow="ellipsis", style="dim"))
        if not self.current:
            lines.append(Text("  loading", style="dim"))
        if self.failures:
            line = f"  {self.failures} failed so far; {self.last_failure}"
            lines.append(Text(line, no_wrap=True, overflow="ellipsis", style="red"))
        return Group(*lines)


class Lines:
    """Lines on stderr: one per finished problem and estimator, or, if these are many, per pause."""

    def __init__(self, eta: Eta, specs: Sequence[RunSpec], done: set[str], title: str = "") -> None:
        self.eta, self.title = eta, f"{title}: " if title else ""
        self.waiting: dict[tuple[str, str], set[str]] = {}
        for spec in specs:
            if spec.key not in done:
                self.waiting.setdefault(pair_of(spec), set()).add(spec.key)
        self.many = len(self.waiting) > PAIRS
        self.statuses: dict[tuple[str, str], list[str]] = {}
        self.last_line = self.eta.elapsed

    def on_event(self, event: Event) -> None:
        """Take in an event of the pool of workers."""
        if event.kind != "finished":
            return
        assert event.result is not None
        pair = pair_of(event.spec)
        seconds = event.result.estimator_seconds + event.result.objective_seconds
        self.eta.finished(event.spec, seconds)
        self.statuses.setdefault(pair, []).append(event.result.status)
        self.waiting[pair].discard(event.spec.key)
        last = event.n_made == event.total
        if self.many and (last or self.eta.elapsed - self.last_line > PAUSE):
            self.last_line = self.eta.elapsed
            self._print(event, "", [s for part in self.statuses.values() for s in part])
        elif not self.many and not self.waiting[pair]:
            self._print(event, f" {', '.join(pair)}:", self.statuses[pair])

    def _print(self, event: Event, scope: str, statuses: list[str]) -> None:
        words = [f"{statuses.count('target')} of {len(statuses)} reached the final target"]
        for status in (*FAILED, "diverged", "skipped"):
            words += [f"{statuses.count(status)} {status}"] if status in statuses else []
        last = event.n_made == event.total
        when = f"took {clock(self.eta.elapsed)}" if last else time_left(self.eta)
        line = f"[{self.title}{event.n_made}/{event.total}]{scope} {', '.join(words)} ({when})"
        with suppress(OSError):  # stderr is closed: the runs go on
            print(line, file=sys.stderr, flush=True)


def _cell_text(spec: RunSpec) -> str:
    return f"{spec.estimator.text} on {spec.problem.id}, run {spec.repetition + 1}"
