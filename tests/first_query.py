"""Measure the processor time from a command's start to the first query of a function problem.

Run as `python tests/first_query.py [ROUNDS]`. Each round is a real `zobench run random-search` in a
new folder. Three parts are added up: the command until it starts a worker, the worker until it is
ready, and the process of the run until the first query. What the command does at the same time as
the worker, such as loading pandas for its tables, delays no query and is not counted.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE = """
name = "one"
version = "1"
description = "A function with ten variables."
[[problem]]
id = "sphere"
objective = "sphere"
settings = { dim = 10 }
budget = 20
repetitions = 1
targets = [1e-3]
"""

MARKS = '''"""Notes the processor time of a process where it first gets to certain functions."""
import importlib.abc, importlib.machinery, os, sys, time

PLACES = {
    "zobench.harness.child": ("Child", "__init__", "command"),
    "zobench.core.oracle": ("Oracle", "__call__", "run"),
}


def mark(module, owner, name, part):
    holder = getattr(module, owner)
    function = getattr(holder, name)

    def marked(*arguments, **settings):
        with open(os.environ["MARKS"], "a") as file:
            file.write(f"{part} {time.process_time()}\\n")
        setattr(holder, name, function)
        return function(*arguments, **settings)

    setattr(holder, name, marked)


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname not in PLACES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            mark(module, *PLACES[fullname])

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
if "zobench.harness.worker" in sys.orig_argv:  # it runs as __main__, which is not imported
    real = os.fdopen

    def fdopen(fd, mode="r", *arguments, **settings):
        if mode == "rb":  # the requests of the parent
            with open(os.environ["MARKS"], "a") as file:
                file.write(f"worker {time.process_time()}\\n")
        return real(fd, mode, *arguments, **settings)

    os.fdopen = fdopen
'''


def measured() -> dict[str, float]:
    """The seconds of the three parts in one command."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "one.toml").write_text(SUITE)
        (Path(folder) / "sitecustomize.py").write_text(MARKS)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([folder, *filter(None, sys.path[1:])]),
            "MARKS": f"{folder}/marks",
        }
        words = [sys.executable, "-m", "zobench", "run", "random-search", "--suite", "one.toml"]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        seconds: dict[str, float] = {}
        for line in (Path(folder) / "marks").read_text().splitlines():
            part, value = line.split()
            seconds.setdefault(part, float(value))
        return seconds


def main() -> None:
    rounds = [measured() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 10)]
    least = {
        part: min(seconds[part] for seconds in rounds) for part in ("command", "worker", "run")
    }
    for part, seconds in least.items():
        print(f"{part:8} {seconds:.3f} s")
    print(f"{'together':8} {sum(least.values()):.3f} s, minima of {len(rounds)} rounds")


if __name__ == "__main__":
    main()
