"""What a command does, as a process that tests can kill: make the runs of a suite, report lines."""

from __future__ import annotations

import sys
from pathlib import Path

from harness_tools import element

from zobench.harness.plan import plan
from zobench.harness.pool import Event, run_all
from zobench.harness.stopping import Interrupted
from zobench.harness.store import Store
from zobench.harness.suite_file import load


def say(event: Event) -> None:
    print(event.kind, event.spec.key, event.n_made, event.total, flush=True)


suite, folder, jobs = load(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
specs = plan(suite, [element(name) for name in sys.argv[4:]])
try:
    with Store.open(folder) as store:
        print("counts", run_all(specs, store, jobs, say), flush=True)
except Interrupted as stop:
    print("interrupted", stop, flush=True)
    sys.exit(130)
