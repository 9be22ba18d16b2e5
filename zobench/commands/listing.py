"""`zobench list`."""

from __future__ import annotations

from typing import Annotated

import typer


def list_(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="estimators, objectives or suites.", show_default=False
        ),
    ] = "",
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name to describe.", show_default=False)
    ] = "",
) -> None:
    """List estimators, objectives and suites; with a NAME, describe it.

    \b
    zobench list
    zobench list estimators
    zobench list estimators mezo-bcd       formula, settings, spans for tune, paper
    zobench list suites quick              problems, budgets, targets
    """
    from zobench.display.catalogue import catalogue

    typer.echo(catalogue(kind, name))
