"""Values of the command line are what typer makes of them, though most are converted without it."""

import os
from pathlib import Path
from typing import Annotated

import pytest
import typer

from zobench.cli import QuickCommand, status_of
from zobench.typed_values import NotClear, converted

CLEAR = [
    (str, "a"), (str, ""), (str, "3"), (int, "0"), (int, "17"), (int, "-3"), (int, 5),
    (float, "0"), (float, "2.5"), (float, "-1e-3"), (float, "1e5"), (float, 2.0),
    (bool, True), (Path, "a/b.toml"), (Path, "."), (Path, Path("x")),
]  # fmt: skip
LEFT = [
    (int, "1_000"), (int, " 1"), (int, "1.0"), (int, "007"), (int, "abc"), (int, True),
    (float, "nan"), (float, "1_0.5"), (float, ".5"), (float, "x"), (bool, "true"), (bool, None),
    (str, 3), (Path, "a\0b"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), CLEAR)
def test_a_clear_value_is_converted(kind, value):
    result = converted(kind, value)
    assert type(result) is type(kind(value))
    assert result == kind(value)


@pytest.mark.parametrize(("kind", "value"), LEFT)
def test_another_value_is_left_to_typer(kind, value):
    with pytest.raises(NotClear):
        converted(kind, value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_cannot_be_read_is_left_to_typer(tmp_path):
    (tmp_path / "a").touch(0o000)
    with pytest.raises(NotClear):
        converted(Path, str(tmp_path / "a"))


LINES = [
    [], ["a"], ["a", "b"], ["--number", "3"], ["--number", "007"], ["--number", "x"],
    ["--share", "1e-3"], ["--share", "nan"], ["--share", "x"], ["--path", "p"], ["--flag"],
    ["--each", "1", "--each", "2"], ["--each", "y"], ["--bounded", "3"], ["--bounded", "99"],
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_command_gets_what_typer_gives(line):
    def run(cls):
        values = {}

        def command(
            names: Annotated[list[str] | None, typer.Argument()] = None,
            number: int = 1,
            share: float | None = None,
            path: Path | None = None,
            flag: bool = False,
            each: Annotated[list[int] | None, typer.Option()] = None,
            bounded: Annotated[int, typer.Option(max=10)] = 2,
        ) -> None:
            values.update(locals())

        app = typer.Typer(add_completion=False)
        app.command(cls=cls)(command)
        try:
            app(args=line, standalone_mode=False)
        except Exception as error:
            return type(error), str(error)
        return {name: repr(value) for name, value in values.items() if name != "values"}

    assert run(QuickCommand) == run(None)


def test_a_wrong_value_is_one_line(capfd):
    assert status_of(["run", "spsa", "--budget", "many"]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "valid integer" in error
    assert "--budget" in error
