"""`zobench new estimator` and `zobench new objective`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Write a commented file to start from; it runs as it is.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Small letters, digits and dashes: my-method.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="The Python file.  [default: ./NAME.py]"),
]


@app.command("estimator")
def estimator(name: Name, out: Out = None) -> None:
    """Write an estimator of your own to start from.

    \b
    zobench new estimator my-method
    zobench compare ./my_method.py:my-method mezo
    """
    _write("estimator", name, out)


@app.command("objective")
def objective(name: Name, out: Out = None) -> None:
    """Write an objective of your own, and a suite that uses it.

    \b
    zobench new objective my-function
    zobench compare spsa random-search --suite ./my_function.toml
    """
    _write("objective", name, out)


def _write(kind: str, name: str, out: Path | None) -> None:
    from zobench.new.write import new

    files, command = new(kind, name, out)  # pyright: ignore[reportArgumentType]
    for file in files:
        typer.echo(f"wrote {file}")
    typer.echo(f"try it:  {command}")
