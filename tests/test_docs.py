"""What README and the pages print is true: files run, commands exist, and so do their options.

A block of python or toml that begins with `# file: NAME` is a file in the page's own folder.
`<!-- run: TEXT -->` before a block of sh runs its commands there, before such a python file it runs
the file; both must succeed and print TEXT.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import zobench

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
GALLERY = sorted((ROOT / "docs" / "gallery").glob("*.py"))
BLOCK = re.compile(r"(?:<!-- run: (.+?) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    page: Path
    printed: str  # what running it must print; "": it is not run
    language: str
    code: str

    @property
    def file(self) -> str:
        """The name of the file that it is, or ""."""
        named = re.match(r"# file: (\S+)\n", self.code)
        return named[1] if named else ""

    @property
    def commands(self) -> list[list[str]]:
        """The zobench commands of a block of sh, without what follows #."""
        lines = self.code.splitlines() if self.language == "sh" else []
        words = [shlex.split(line, comments=True) for line in lines]
        return [line[1:] for line in words if line[:1] == ["zobench"]]


BLOCKS = [Block(page, *found) for page in PAGES for found in BLOCK.findall(page.read_text())]
SPANS = [  # commands inside sentences; behind | stands another program
    (page, shlex.split(span.partition(" | ")[0])[1:])
    for page in PAGES
    for span in re.findall(r"`(zobench [^`]+)`", BLOCK.sub("", page.read_text()))
    if "..." not in span
]
COMMANDS = dict.fromkeys(
    [(b.page.name, tuple(c)) for b in BLOCKS for c in b.commands]
    + [(page.name, tuple(command)) for page, command in SPANS]
)
RUN = [b for b in BLOCKS if b.printed]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Page -> a folder with every file that it prints."""
    made = {page: tmp_path_factory.mktemp(page.stem) for page in PAGES}
    for block in BLOCKS:
        if block.file:
            (made[block.page] / block.file).write_text(block.code)
    return made


def python(folder, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_something_to_run():
    assert len(RUN) > 5
    assert all(b.file.endswith(".py") or b.commands for b in RUN)


def short(command):
    """The command, with fewer and shorter runs where it does not say how many."""
    more = {"--repetitions": "1", "--budget": "100"} if command[0] == "compare" else {}
    return [*command, *(w for option in more.items() if option[0] not in command for w in option)]


@pytest.mark.parametrize("block", RUN, ids=lambda b: f"{b.page.stem}-{b.file or b.printed}")
def test_what_a_page_says_that_it_runs_does_run(block, folders):
    printed = python(folders[block.page], block.file) if block.file else ""
    for command in block.commands:
        printed += python(folders[block.page], "-m", "zobench", *short(command))
    assert block.printed in printed


@pytest.mark.parametrize("page", ["README.md", "own-training.md"])
def test_the_training_loop_learns(page, folders):
    folder = next(folders[p] for p in PAGES if p.name == page)
    first, last = map(float, re.findall(r"\d+\.\d+", python(folder, "my_training.py")))
    assert last < first / 5


def test_every_file_of_code_is_valid():
    for block in BLOCKS:
        if block.language == "python":
            compile(block.code, f"{block.page.name}: {block.file}", "exec")


@pytest.mark.parametrize(
    ("page", "command"), [pytest.param(p, c, id=f"{p}-{' '.join(c)}"[:70]) for p, c in COMMANDS]
)
def test_commands_have_the_options_that_a_page_gives_them(page, command):
    """Parsed by the command itself, not run: unknown options and words raise."""
    import typer

    from zobench.cli import app

    parser = typer.main.get_command(app)
    words = list(command)
    while hasattr(parser, "commands"):
        assert words, f"{page}: zobench {' '.join(command)}"
        if words[0].startswith("-"):
            return
        assert words[0] in parser.commands, f"{page}: there is no command {words[0]!r}"
        parser = parser.get_command(None, words.pop(0))
    if words and words != ["--help"]:  # a sentence may just name the command
        with parser.make_context("zobench", words) as context:
            names_exist(context.params)


def names_exist(values):
    """The suites, problems and estimators that a command names are there."""
    from zobench.harness.estimator_spec import parse_estimator
    from zobench.harness.suite_file import load

    suite = values.get("suite")
    if suite and not str(suite).endswith(".toml"):
        load(suite).pick(values.get("problem") or ())
    for name in values.get("estimators") or ():
        if ".py:" not in name:
            parse_estimator(name)


def test_the_reference_has_every_public_name():
    page = (ROOT / "docs" / "reference" / "python.md").read_text()
    for name in set(zobench.__all__) - {"__version__"}:
        assert re.search(rf"zobench\.{name}\b", page), name


@pytest.mark.parametrize("script", GALLERY, ids=lambda script: script.stem)
def test_a_script_of_the_gallery_prints_and_draws_what_its_page_shows(script, tmp_path):
    """Up to numbers, which depend on the machine."""
    environment = os.environ | {"MPLBACKEND": "svg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stored = (script.parent / "output" / f"{script.stem}.txt").read_text()
    words = [re.findall(r"[a-z]{3,}", text.partition(":")[0]) for text in (done.stdout, stored)]
    assert words[0] == words[1] != []
    assert "<svg" in (tmp_path / f"{script.stem}.svg").read_text()
    assert (script.parent / "output" / f"{script.stem}.svg").exists()
    assert script.stem in (script.parent / "index.md").read_text().splitlines()


def test_every_page_is_in_the_table_of_contents():
    index = (ROOT / "docs" / "index.md").read_text()
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert page.stem == "index" or re.search(rf"^{page.stem}$", index, re.MULTILINE), page.stem
