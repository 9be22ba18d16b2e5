"""The README's files run as printed, and its commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with every file that the README prints."""
    here = tmp_path_factory.mktemp("readme")
    for block in re.findall(r"```(?:python|toml)\n(# file: (\S+)\n.*?)```", README, re.DOTALL):
        (here / block[1]).write_text(block[0])
    return here


def zobench(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "zobench", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_estimator_runs(folder):
    done = zobench(
        folder, "compare", "./sign_of_slope.py:sign-of-slope", "mezo", "--suite", "smoke",
        "--problem", "sphere*",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sign-of-slope" in done.stdout


def test_the_objective_runs(folder):
    done = zobench(
        folder, "compare", "mezo:lr=0.01", "zo-adam:lr=0.01", "--suite", "my_suite.toml",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sine" in done.stdout


def test_the_environment_runs(folder):
    done = zobench(
        folder, "compare", "ars:lr=0.1,eps=0.1", "cma-es", "--suite", "my_env.toml",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cart" in done.stdout


def test_the_prompt_runs(folder):
    done = zobench(folder, "compare", "bdpl", "random-search:sigma=1", "--suite", "my_prompt.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reviews" in done.stdout


def test_the_training_loop_learns(folder):
    done = subprocess.run(
        [sys.executable, "my_training.py"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, last = map(float, re.findall(r"\d+\.\d+", done.stdout))
    assert last < first / 5


def test_the_python_example_runs(folder):
    code = re.search(r"```python\n(import zobench\n.*?)```", README, re.DOTALL)
    assert code
    (folder / "example.py").write_text(code[1])
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mezo" in done.stdout


def test_every_command_named_exists(folder):
    named = set(re.findall(r"^zobench (\w+)", README, re.MULTILINE))
    assert named
    for command in sorted(named):
        assert zobench(folder, command, "--help").returncode == 0, command
