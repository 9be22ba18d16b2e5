"""Commands outlive what a user's file does when it is loaded, and what becomes of their streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import zobench
from zobench.cli import status_of
from zobench.harness.store import Store

ROOT = str(Path(zobench.__file__).parents[1])
SUITE = """\
name = "t"
version = "1"
budget = 20
repetitions = 1
targets = [1e-30]
[[problem]]
id = "p"
objective = "sphere"
"""

FILES = {  # what a file does when it is loaded -> what is said of it
    "import sys; sys.exit(0)": "it calls exit() while it is loaded",
    "import os; os._exit(7)": "its process ended with status 7",
    "import os; os.kill(os.getpid(), 9)": "killed by signal 9 (SIGKILL)",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise ValueError('one\\ntwo')": "ValueError: one two",
    "class E(Exception):\n    def __str__(self): return 1\nraise E": "E: its text cannot be read",
    "import time; time.sleep(1e6)": "it takes more than 2 s",
    "import os; os.closerange(3, 99)": "cannot be loaded: ",
    "x = '\\0": "SyntaxError",
}
COMMANDS = {
    "run": ("run", "{}", "-s", "t.toml", "-o", "o"),
    "tune": ("tune", "{}", "-s", "t.toml", "--results", "o"),
    "list": ("list", "estimators", "{}"),
    "bench": ("bench", "step", "-e", "{}", "--layers", "1", "--hidden", "8", "--repeats", "1"),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.toml").write_text(SUITE)
    return tmp_path


@pytest.mark.parametrize("text", FILES, ids=[text[:40] for text in FILES])
def test_a_file_that_ends_its_process_is_one_line(here, capsys, monkeypatch, text):
    monkeypatch.setattr("zobench.harness.examine.LOADING", 2.0)
    (here / "mine.py").write_text(text)
    assert status_of([word.format("./mine.py:x") for word in COMMANDS["run"]]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "mine.py" in err
    assert FILES[text] in err
    assert not (here / "o").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_outlives_an_estimators_file(here, capsys, command):
    (here / "mine.py").write_text("import os; os._exit(0)")
    assert status_of([word.format("./mine.py:x") for word in COMMANDS[command]]) == 2
    assert "its process ended with status 0" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["import os; os._exit(0)", "import sys; sys.exit(0)"])
def test_a_suite_names_the_line_of_an_objective_whose_file_ends_its_process(here, capsys, text):
    (here / "mine.py").write_text(text)
    (here / "t.toml").write_text(SUITE.replace("sphere", "mine.py:x"))
    assert status_of(["run", "random-search", "-s", "t.toml", "-o", "o"]) == 2
    assert "t.toml line 8: " in capsys.readouterr().err


FACTORY = """\
import os, time
from zobench.registry import estimators
@estimators.register("x", space={{"a": (0.1, 1.0, "log")}})
def x(a: float = 0.5):
    {}
"""


@pytest.mark.parametrize(
    ("deed", "status", "reason"),
    [
        ("os._exit(0)", "failed", "its process ended with status 0"),
        ("raise SystemExit", "failed", "SystemExit"),
        ("time.sleep(1e6)", "timeout", "stopped after 0.5 s of building"),
        ("os.kill(os.getpid(), 11)", "failed", "killed by signal 11 (SIGSEGV)"),
    ],
)
def test_a_factory_of_an_estimator_that_ends_its_process_is_a_failed_run(
    here, capsys, monkeypatch, deed, status, reason
):
    monkeypatch.setattr("zobench.harness.examine.BUILDING", 0.3)
    (here / "mine.py").write_text(FACTORY.format(deed))
    words = ["run", "./mine.py:x", "random-search", "-s", "t.toml", "-o", "o"]
    assert status_of([*words, "--time-limit", "0.5"]) == 1
    with Store.open(here / "o", write=False) as store:
        runs = store.runs().set_index("estimator")
    assert runs.loc["./mine.py:x"].status == status
    assert reason in runs.loc["./mine.py:x"].reason
    assert runs.loc["random-search"].status == "budget"


def test_a_users_file_changes_nothing_in_the_commands_process(here, capsys):
    (here / "mine.py").write_text(
        "import os, sys\nos.chdir('/')\nos.environ['SPOILT'] = '1'\nsys.path.insert(0, '/x')\n"
        "sys.modules['colorsys'] = None\n" + FACTORY.format("raise RuntimeError")
    )
    before = set(sys.modules)
    assert status_of(["run", "./mine.py:x", "-s", "t.toml", "-o", "o"]) == 1
    assert os.getcwd() == str(here)
    assert "SPOILT" not in os.environ
    assert "/x" not in sys.path
    new = set(sys.modules) - before
    assert not any(name.startswith("zobench_user_mine") for name in new)


def test_a_file_that_was_edited_is_read_anew_by_the_next_command(here, capsys):
    for word in ("one", "two"):
        (here / "mine.py").write_text(f'def x(a: float = 0.5):\n    """{word}"""\n')
        assert status_of(["list", "estimators", "./mine.py:x"]) == 0
        assert f"  {word}\n" in capsys.readouterr().out


def process(folder, *words, **streams):
    return subprocess.Popen(
        [sys.executable, "-m", "zobench", *words],
        cwd=folder,
        env=dict(os.environ) | {"PYTHONPATH": ROOT},
        **streams,
    )


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "2>&1 | true"])
def test_a_command_without_its_streams_works_and_stores(here, closed):
    words = f"{sys.executable} -m zobench run random-search -s t.toml -o o"
    environment = dict(os.environ) | {"PYTHONPATH": ROOT}
    done = subprocess.run(
        f"{words} {closed}", shell=True, cwd=here, env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == 0
    assert b"fault of zobench" not in done.stderr
    limit = time.monotonic() + 120
    while not (here / "o" / "runs.csv").exists() and time.monotonic() < limit:
        time.sleep(0.05)  # with a pipe, the shell waits for its last command only
    with Store.open(here / "o", write=False) as store:
        assert list(store.runs().status) == ["budget"]


def test_what_is_printed_into_a_closed_stdout_is_told_to_be_lost(here):
    """What a command stores it stores, and its status is its own."""

    def shell(words, end):
        done = subprocess.run(
            f"{sys.executable} -m zobench {words} {end}", shell=True, cwd=here, text=True,
            env=dict(os.environ) | {"PYTHONPATH": ROOT}, capture_output=True, timeout=120,
        )  # fmt: skip
        return done.returncode, done.stderr

    said = "zobench: stdout is closed, so what this command has printed is lost; send it to "
    for words in (
        "run random-search -s t.toml -o o",
        "report o -f text",
        "export o -f csv",
        "list suites",
        "list --help",
        "--version",
    ):
        status, error = shell(words, ">&-")
        last = error.splitlines()[-1]  # a run tells of its progress before
        assert (status, last[: len(said)], error.count(said)) == (0, said, 1), words
    assert (here / "o" / "runs.csv").is_file()
    assert shell("report o -f text", ">out") == (0, "")
    assert shell("report o -f text", ">/dev/full") == (2, "zobench: No space left on device\n")
    status, error = shell("list nothing", ">&-")
    assert (status, "stdout" in error) == (2, False)  # nothing was printed


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_says_what_it_keeps(here, signum):
    (here / "t.toml").write_text(SUITE.replace("budget = 20", "budget = 40_000_000"))
    with process(here, "run", "spsa", "-s", "t.toml", stderr=subprocess.PIPE, text=True) as child:
        limit = time.monotonic() + 120
        while not (here / "results" / "t" / "workers.log").exists():
            assert time.monotonic() < limit
            time.sleep(0.01)
        child.send_signal(signum)
        _, err = child.communicate(timeout=120)
    assert child.returncode == 128 + signum
    assert str(err).startswith("zobench: stopped: 0 of 1 runs are finished and kept; ")
