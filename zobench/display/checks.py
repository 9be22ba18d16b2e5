"""Output of `zobench check`: one line per check, and the counts at the end."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from zobench.display.text import bold, dim
from zobench.errors import BadInput
from zobench.testing.apart import CheckOutcome, outcomes, registered_in
from zobench.testing.elements import KINDS

NAME = 22  # columns for the name of a check and the space after it


def show_checks(elements: Sequence[str], kind: str | None, limit: float) -> int:
    """Check the elements one after the other and return the exit status. Raises BadInput."""
    if kind is not None and kind not in KINDS:
        raise BadInput(f"--kind is one of {', '.join(KINDS)}, not {kind!r}")
    if not limit > 0:
        raise BadInput(f"--time-limit is a number of seconds above 0, not {limit:g}")
    lists = [registered_in(e, limit) if e.endswith(".py") else [e] for e in elements]
    failed = [_show(element, kind, limit) for names in lists for element in names]
    return 1 if any(failed) else 0


def _show(element: str, kind: str | None, limit: float) -> int:
    """Check one element, show its checks, and return how many failed."""
    count = {"ok": 0, "failed": 0, "skipped": 0}
    for outcome in outcomes(element, kind, limit):
        if not sum(count.values()):
            typer.echo(bold(f"{outcome.element} ({outcome.kind})"))
        count[outcome.status] += 1
        typer.echo(_line(outcome))
    total = sum(count.values())
    verdict = (
        f"{count['failed']} of {total} checks failed" if count["failed"] else "keeps its contract"
    )
    typer.echo(f"{verdict}: {count['ok']} ok, {count['skipped']} skipped\n")
    return count["failed"]


def _line(outcome: CheckOutcome) -> str:
    text = outcome.about if outcome.status == "ok" else outcome.reason
    line = f"  {outcome.status:8s} {outcome.check:{NAME}s}{text}"
    return bold(line) if outcome.status == "failed" else dim(line)
