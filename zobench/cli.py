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
  zobench list                             what there is
  zobench compare mezo spsa                which of two is better, on a quick suite
  zobench compare mezo:lr=1e-3 ./mine.py:Mine --suite bbob
  zobench new estimator my-method          a file to start from
  zobench check ./my_method.py:my-method   does it keep the contract of an estimator?
"""


COMMANDS = {  # name -> its function, or its group, in zobench.commands; one line of help
    "list": ("listing.list_", "What there is: estimators, objectives, suites."),
    "compare": ("compare.compare", "Run estimators on a suite: who reaches the targets sooner?"),
    "run": ("compare.run", "The same without the verdict: a row per run."),
    "check": (
        "check.check",
        "Does your own estimator, objective, suite, ... keep its contract?",
    ),
    "tune": ("tune.tune", "Search better settings, fairly."),
    "report": ("report.report", "One HTML page of stored results: verdict, figures, tables."),
    "export": ("export.export", "Results as a leaderboard, or for cocopp and IOHprofiler."),
    "verify": ("verify.verify", "Check leaderboards: form, hashes, a sample run again."),
    "import": ("import_.import_", "Published data of COCO or IOHprofiler as results."),
    "watch": ("watch.watch", "The best policy of a run as a film."),
    "new": ("new.app", "Write a file to start from: an estimator, an objective, a suite, ..."),
    "bench": ("bench.app", "Measure zobench itself: a query, a training step."),
}


class Commands(TyperGroup):
    """The group of all commands: each is loaded when it is called, for quick answers."""

    def __init__(self, **facts: Any) -> None:
        facts["commands"] = dict.fromkeys(COMMANDS)  # for "did you mean"
        super().__init__(**facts)

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        place, line = COMMANDS[cmd_name]
        module, _, name = place.partition(".")
        part = getattr(import_module(f"zobench.commands.{module}"), name)
        if not isinstance(part, typer.Typer):
            function, part = part, typer.Typer(add_completion=False, rich_markup_mode=None)
            part.command(cmd_name, short_help=line)(function)
        return typer.main.get_command(part)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write their names and lines of help; none is loaded."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: Any) -> Any:
        """Run a command and return its exit status; an interrupted one says how it ended."""
        from zobench.harness.examine import apart

        try:
            with apart():
                status = super().invoke(ctx)
            sys.stdout.flush()
            return status
        except KeyboardInterrupt as stopped:
            return _say(str(stopped) or "interrupted", 128 + getattr(stopped, "by", SIGINT))
        except BrokenPipeError:  # `zobench list | head`: nobody reads on
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
    """Run a command; exit with 0, 1 (a run failed), 2 (bad input) or 128 + the signal that came."""
    sys.exit(status_of(arguments))


def status_of(arguments: list[str] | None = None) -> int:
    """Run a command; its exit status. Every error is one line on stderr."""
    if os.environ.get("ZOBENCH_TRACEBACK"):
        return _invoke(arguments)
    try:
        return _invoke(arguments)
    except Exception as error:
        return _explained(error)


def _invoke(arguments: list[str] | None) -> int:
    return app(args=arguments, prog_name="zobench", standalone_mode=False) or 0


def _explained(error: Exception) -> int:
    """Say what went wrong; the exit status."""
    if isinstance(error, BadInput):
        return _say(str(error), 2)
    if isinstance(error, Missing):
        return _say(str(error), 1)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return _say(f"{place}{error.strerror or error}", 2)
    if hasattr(error, "format_message"):  # the parser's own errors, whatever their module
        return _usage(error)
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("zobench"):
        return _say(not_installed(error), 2)
    from zobench.harness.database import damaged

    if said := damaged(error):
        return _say(said, 2)
    return _say(f"this is a fault of zobench: {type(error).__name__}: {error} "
                "(ZOBENCH_TRACEBACK=1 shows where)", 1)  # fmt: skip


def _usage(error: Exception) -> int:
    message = error.format_message()  # pyright: ignore[reportAttributeAccessIssue]
    message = message.replace("Value error, ", "")  # of the parser of values, not of the user
    if type(error).__name__ == "NoArgsIsHelpError":  # `zobench` alone: the message is the help
        print(message)
        return 0
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "zobench"
    return _say(f"{message.rstrip('.')}; see {path} --help", 2)


def _say(text: str, status: int) -> int:
    with suppress(OSError):  # nobody reads it
        print("zobench: " + " ".join(text.split()), file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    main()
