"""`zobench bench --beside`: another checkout is measured in turn with this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from zobench.cli import status_of

ROOT = Path(__file__).parents[1]


@pytest.fixture
def other(tmp_path):
    """A checkout: links to the folders of this one."""
    for name in ("zobench", "suites", "baselines"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_overhead_beside_another_checkout(other, capfd):
    words = ["bench", "overhead", "--repeats", "2", "--bbob-repeats", "0", "--queries", "100"]
    assert status_of([*words, "--beside", str(other)]) == 0
    out = capfd.readouterr().out
    heads = [line for line in out.splitlines() if "us per query" in line]
    assert all(line.endswith("beside  of it") for line in heads)
    rows = [line for line in out.splitlines() if "through the harness" in line]
    assert len(rows) == 2
    for row in rows:
        there, ratio = (float(cell) for cell in row.split()[-2:])
        assert there > 0
        assert 0.01 < ratio < 100
    assert f"the same in {other}" in out


def test_steps_beside_another_checkout(other, capfd):
    shape = ["--layers", "1", "--hidden", "16", "--vocab", "64", "--heads", "1", "--batch", "2"]
    words = ["bench", "step", *shape, "--tokens", "4", "--repeats", "1", "-e", "mezo"]
    assert status_of([*words, "--beside", str(other)]) == 0
    lines = capfd.readouterr().out.splitlines()
    (row,) = (line for line in lines if line.split()[:1] == ["mezo"])
    assert float(row.split()[-1]) > 0


@pytest.mark.parametrize("content", [None, "raise ImportError('not whole')"])
def test_a_folder_that_is_no_checkout_is_refused(tmp_path, capfd, content):
    if content is not None:
        (tmp_path / "zobench" / "bench").mkdir(parents=True)
        (tmp_path / "zobench" / "__init__.py").write_text(content)
    words = ["bench", "overhead", "--repeats", "1", "--bbob-repeats", "0", "--queries", "100"]
    assert status_of([*words, "--beside", str(tmp_path)]) == 2
    err = capfd.readouterr().err.splitlines()
    assert err[-1].startswith("zobench: ")
    assert ("is not a checkout" if content is None else "ended with status 1") in err[-1]
