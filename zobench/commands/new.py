"""`zobench new`: a file to start from, for an estimator, an objective, a suite, ..."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Write a commented file to start from, which runs and passes `zobench check`.",
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
SuiteOut = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="The suite's file.  [default: ./NAME.toml]"),
]


@app.command("estimator")
def estimator(name: Name, out: Out = None) -> None:
    """Write the file of an estimator to start from.

    \b
    zobench new estimator my-method
    zobench compare ./my_method.py:my-method mezo
    """
    _write("estimator", name, out)


@app.command("objective")
def objective(name: Name, out: Out = None) -> None:
    """Write the file of an objective to start from, and a suite that uses it.

    \b
    zobench new objective my-function
    zobench compare spsa random-search --suite ./my_function.toml
    """
    _write("objective", name, out)


@app.command("suite")
def suite(name: Name, out: SuiteOut = None) -> None:
    """Write the file of a suite to start from.

    \b
    zobench new suite my-problems
    zobench compare spsa random-search --suite ./my_problems.toml
    """
    _write("suite", name, out)


@app.command("environment")
def environment(name: Name, out: Out = None) -> None:
    """Write the file of an environment for policies, and a suite that uses it.

    \b
    zobench new environment my-cart
    zobench compare ars:lr=0.1,eps=0.1 cma-es --suite ./my_cart.toml
    """
    _write("environment", name, out)


@app.command("task")
def task(name: Name, out: Out = None) -> None:
    """Write the file of a prompt task with its judge, and a suite that uses them.

    \b
    zobench new task my-prompt
    zobench compare bdpl random-search:sigma=1 --suite ./my_prompt.toml
    """
    _write("task", name, out)


def _write(kind: str, name: str, out: Path | None) -> None:
    from zobench.new.write import new

    files, (check, command) = new(kind, name, out)  # pyright: ignore[reportArgumentType]
    for file in files:
        typer.echo(f"wrote {file}")
    typer.echo(f"check:   {check}")
    typer.echo(f"try it:  {command}")
