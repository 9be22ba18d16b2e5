"""The command line: parse, call one function, print. Nothing here computes."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from signal import SIGINT
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zobench.errors import BadInput, Missing, not_installed

ABOUT = """\b
Zeroth-order optimization, benchmarked in queries, seconds and memory.

\b
Start here:
  zobench list                             estimators, objectives and suites
  zobench compare mezo spsa                compare two estimators, in a minute
  zobench compare mezo:lr=1e-3 ./mine.py:Mine --suite bbob
  zobench new estimator my-method          write a file to start from
  zobench check ./my_method.py:my-method   check the contract of your own estimator
"""


COMMANDS = {  # name -> (function or group in zobench.commands, one line of help)
    "list": ("listing.list_", "List estimators, objectives and suites, or show one."),
    "compare": ("compare.compare", "Run estimators on a suite and compare them."),
    "run": ("compare.run", "Run estimators on a suite and list the runs, without a verdict."),
    "check": ("check.check", "Check the contract of your own estimator, objective, suite, ..."),
    "explain": ("explain.explain", "Say why an estimator is fast or slow on a problem."),
    "tune": ("tune.tune", "Search for better settings, with equal effort per estimator."),
    "report": ("report.report", "Write one HTML page of stored results."),
    "export": ("export.export", "Write results as a leaderboard, or for cocopp and IOHprofiler."),
    "verify": ("verify.verify", "Check leaderboards, and run a sample of their rows again."),
    "import": ("import_.import_", "Read published data of COCO or IOHprofiler as results."),
    "watch": ("watch.watch", "Film the best policy of a run."),
    "new": ("new.app", "Write a file to start from: an estimator, an objective, a suite, ..."),
    "bench": ("bench.app", "Measure zobench itself: cost per query, time per training step."),
}


class Commands(TyperGroup):
    """The group of all commands; a command is imported when it is called, to start quickly."""

    def __init__(self, **settings: Any) -> None:
        settings["commands"] = dict.fromkeys(COMMANDS)  # for "did you mean"
        super().__init__(**settings)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        path, line = COMMANDS[cmd_name]
        module, _, name = path.partition(".")
        part = getattr(import_module(f"zobench.commands.{module}"), name)
        if not isinstance(part, typer.Typer):
            function, part = part, typer.Typer(add_completion=False, rich_markup_mode=None)
            part.command(cmd_name, short_help=line)(function)
        return typer.main.get_command(part)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the names and lines of help, without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: Any) -> Any:
        """Run a command and return its exit status; an interrupted command prints a line."""
        from zobench.harness.examine import apart

        try:
            with apart():
                status = super().invoke(ctx)
            sys.stdout.flush()
            return status
        except KeyboardInterrupt as stopped:
            return _say(str(stopped) or "interrupted", 128 + getattr(stopped, "by", SIGINT))
        except BrokenPipeError:  # `zobench list | head`: the reader has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


app = typer.Typer(
    cls=Commands,
    help=ABOUT,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(show: bool) -> None:
    if show:
        from zobench import __version__

        typer.echo(f"zobench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run a command; exit with 0, 1 (a run failed), 2 (bad input) or 128 + the signal received."""
    sys.exit(status_of(arguments))


def status_of(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status. Every error is one line on stderr."""
    if os.environ.get("ZOBENCH_TRACEBACK"):
        return _invoke(arguments)
    try:
        return _invoke(arguments)
    except Exception as error:
        return _explained(error)


def _invoke(arguments: list[str] | None) -> int:
    return app(args=arguments, prog_name="zobench", standalone_mode=False) or 0


def _explained(error: Exception) -> int:
    """Print the error in one line and return the exit status."""
    if isinstance(error, BadInput):
        return _say(str(error), 2)
    if isinstance(error, Missing):
        return _say(str(error), 1)
    if isinstance(error, OSError):
        path = f"{error.filename}: " if error.filename else ""
        return _say(f"{path}{error.strerror or error}", 2)
    if hasattr(error, "format_message"):  # an error of the parser of the command line
        return _usage(error)
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("zobench"):
        return _say(not_installed(error), 2)
    from zobench.harness.database import damaged

    if message := damaged(error):
        return _say(message, 2)
    return _say(f"this is a fault of zobench: {type(error).__name__}: {error} "
                "(ZOBENCH_TRACEBACK=1 shows where)", 1)  # fmt: skip


def _usage(error: Exception) -> int:
    message = error.format_message()  # pyright: ignore[reportAttributeAccessIssue]
    message = message.replace("Value error, ", "")  # words of the parser, not for the user
    if type(error).__name__ == "NoArgsIsHelpError":  # `zobench` alone: the message is the help
        print(message)
        return 0
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "zobench"
    return _say(f"{message.rstrip('.')}; see {path} --help", 2)


def _say(text: str, status: int) -> int:
    with suppress(OSError):  # stderr is closed
        print("zobench: " + " ".join(text.split()), file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    main()
