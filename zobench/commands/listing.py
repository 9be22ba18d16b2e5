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
        str, typer.Argument(metavar="NAME", help="One of them.", show_default=False)
    ] = "",
) -> None:
    """Show what there is: estimators, objectives and suites; with a NAME, all about it.

    \b
    zobench list
    zobench list estimators
    zobench list estimators mezo-bcd       formula, settings, where tune looks, paper
    zobench list suites quick              problems, budgets, targets
    """
    from zobench.display.catalogue import catalogue

    typer.echo(catalogue(kind, name))
