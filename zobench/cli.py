"""The command line: parse, call one function, print. Nothing here computes."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from signal import SIGINT
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zobench.commands import (
    bench,
    check,
    compare,
    export,
    import_,
    listing,
    new,
    report,
    tune,
    verify,
    watch,
)
from zobench.errors import BadInput, Missing, not_installed
from zobench.harness.examine import apart

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


class Commands(TyperGroup):
    """The group of all commands, which says itself how an interrupted one ends."""

    def invoke(self, ctx: Any) -> Any:
        """The command's exit status."""
        try:
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
app.command("list", short_help="What there is: estimators, objectives, suites.")(listing.list_)
app.command("compare", short_help="Run estimators on a suite: who reaches the targets sooner?")(
    compare.compare
)
app.command("run", short_help="The same without the verdict: a row per run.")(compare.run)
app.command(
    "check", short_help="Does your own estimator, objective, suite, ... keep its contract?"
)(check.check)
app.command("tune", short_help="Search better settings, fairly.")(tune.tune)
app.command("report", short_help="One HTML page of stored results: verdict, figures, tables.")(
    report.report
)
app.command("export", short_help="Results as a leaderboard, or for cocopp and IOHprofiler.")(
    export.export
)
app.command("verify", short_help="Check leaderboards: form, hashes, a sample run again.")(
    verify.verify
)
app.command("import", short_help="Published data of COCO or IOHprofiler as results.")(
    import_.import_
)
app.command("watch", short_help="The best policy of a run as a film.")(watch.watch)
app.add_typer(
    new.app,
    name="new",
    short_help="Write a file to start from: an estimator, an objective, a suite, ...",
)
app.add_typer(
    bench.app, name="bench", short_help="Measure zobench itself: a query, a training step."
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
    with apart():
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
