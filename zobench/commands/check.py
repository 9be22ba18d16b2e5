"""`zobench check`."""

from __future__ import annotations

from typing import Annotated

import typer


def check(
    elements: Annotated[
        list[str],
        typer.Argument(
            metavar="ELEMENT",
            help="FILE.py:NAME, FILE.py (all that it registers), SUITE.toml, or a registered name. "
            "Settings may follow a name: NAME:lr=0.1,n=4.",
            show_default=False,
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="estimator, objective, suite, environment or judge.  [default: from the element]",
        ),
    ] = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", metavar="S", help="Seconds per check.")
    ] = 60.0,
) -> None:
    """Check that your own element keeps its contract: the properties that zobench relies on.

    \b
    zobench check ./mine.py:my-method       an estimator: seeds, budget, moves, 16 bits, saving, ...
    zobench check ./mine.py:my-function     an objective: losses, scores, seeds, counters, ...
    zobench check ./mine.toml               a suite: problems, targets, limits
    zobench check ./mine.py:Cart            an environment: a class or function that makes one
    zobench check ./mine.py:judge           a judge: a function from texts to scores
    zobench check ./mine.py                 all estimators and objectives that the file registers
    zobench check ./mine.py:my-method:n=4   an estimator or an objective with other settings

    Each check is one line: ok, skipped with the reason, or failed with a sentence on what the
    element does and how to correct it. The checks run in another process, so that an element that
    exits, hangs or crashes is a failed check.

    \b
    An estimator states for its checks, beside paper and space:
      sanity={"lr": 0.02}      settings with which it solves a sphere of 24 variables
      max_dim=20               the largest dimension that it takes and is checked with
      first_order=True         it asks for gradients
    and in its docstring: "Queries per step: 2n." and "Memory: the weights."

    The same checks in pytest: see `zobench.testing`.

    Exit status: 0; 1 if a check failed; 2 if there is no such element.
    """
    from zobench.display.checks import show_checks

    raise typer.Exit(show_checks(elements, kind, time_limit))
