"""What several test files share."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from unittest import SkipTest

import pytest
from hypothesis import HealthCheck, settings

from zobench.registry import Entry

# How long an example takes depends on what else the machine does.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")

# Before torch is imported. Threads of small operations wait for one another where the cores have
# other work, and some tests take ten times as long; none gains from a second thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def require(entry: Entry) -> None:
    """Skip a test when the package an entry needs is not installed."""
    if entry.needs and importlib.util.find_spec(entry.needs) is None:
        pytest.skip(f"{entry.needs} is not installed")


def keep(check, applies) -> None:
    """Make a check; skip it where it says so, for a reason that is expected of its name."""
    try:
        check()
    except SkipTest as skipped:
        known = f"is not installed|{applies.get(check.name, 'is not installed')}"
        if not re.search(known, str(skipped)):
            pytest.fail(f"{check} is skipped: {skipped}")
        raise


@pytest.fixture(scope="module")
def made(request, tmp_path_factory):
    """A folder with results, leaderboard and frozen runs of the estimators in METHODS of a file."""
    from verify_tools import MINE, make_board

    folder = tmp_path_factory.mktemp("made")
    methods = request.module.METHODS
    if any(name.startswith("mine.py:") for name in methods):
        (folder / "mine.py").write_text(MINE)
    make_board(folder, *methods)
    (folder / "executed").unlink(missing_ok=True)
    return folder


@pytest.fixture
def board(made, tmp_path, monkeypatch):
    """The leaderboard in a copy of that folder, which is the current one."""
    from verify_tools import BOARD

    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / BOARD
