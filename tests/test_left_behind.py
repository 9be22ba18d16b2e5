"""What a user's file leaves behind when it is loaded: it is undone, or the run says what it was."""

from __future__ import annotations

import pytest
from harness_tools import suite_of

from zobench.harness.examine import apart
from zobench.harness.plan import plan
from zobench.harness.pool import run_all
from zobench.harness.store import Store

MINE = """
from zobench.core.directions import Noise

class Mine:
    def start(self, params, seed):
        self.t = 0
    def step(self, evaluate):
        self.t += 1
        evaluate([(0.1, Noise(self.t))])

def mine(n: int = 1):
    return Mine()
"""
UNDONE = {
    "a fork": "import os; os.fork()",
    "forks": "import os; os.fork() and os.fork()",
    "a fork that is slower": "import os, time; os.fork() or time.sleep(0.5)",
    "recursion": "import sys; sys.setrecursionlimit(80)",
    "recursion, lower": "import sys; sys.setrecursionlimit(40)",
}
NAMED = {
    "fork": (
        "import os; os.fork = None",
        "no run can be made: TypeError: 'NoneType' object is not",
    ),
    "signals": ("import signal; signal.siginterrupt = None", "TypeError: 'NoneType' object is not"),
}


def made(folder, text, repetitions=3):
    (folder / "mine.py").write_text(text + MINE)
    suite = suite_of(folder, repetitions=repetitions, budget=20, targets=[1e-99])
    with apart():
        specs = plan(suite, [f"{folder}/mine.py:mine:n={n}" for n in (1, 2)])
        with Store.open(folder / "r") as store:
            run_all(specs, store, jobs=2)
            return store.runs()


@pytest.mark.parametrize("text", UNDONE.values(), ids=UNDONE)
def test_it_is_undone(tmp_path, text):
    runs = made(tmp_path, text)
    assert runs["status"].tolist() == ["budget"] * 6
    assert runs["attempt"].tolist() == [1] * 6
    assert not (tmp_path / "r" / "workers.log").exists()


@pytest.mark.parametrize(("text", "said"), NAMED.values(), ids=NAMED)
def test_what_cannot_be_undone_is_named(tmp_path, text, said):
    runs = made(tmp_path, text, repetitions=1)
    assert runs["status"].tolist() == ["failed"] * 2
    for reason in runs["reason"]:
        assert said in reason
        assert "no worker lived" not in reason
