"""What `bash .ci/gpu` does: stages in processes of their own, each with a limit of time.

A stage appends rows to STAGE.csv as it gets them, so that a stage that is stopped, or crashes, has
lost nothing. summary.csv has one row per stage; log.txt has all that the stages print.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

IN_ALL = 480  # seconds
Row = dict[str, Any]

GOALS = (  # model, estimator, least speed relative to the textbook step
    ("opt-1.3b", "mezo", 5.0),
    ("opt-13b", "mezo", 3.0),
    ("opt-1.3b", "mezo-bcd", 8.0),
    ("opt-13b", "mezo-bcd", 6.0),
)
LEAST_SHARE, MOST_OVER_FLOOR = 0.91, 1.3  # of inference in a step of MeZO; relative to the floor
PUBLISHED_MS = "published for OPT-13B: 464 ms per step of MeZO, 110 ms of MeZO-BCD"


@dataclass(frozen=True)
class Stage:
    """A part of the check: its seconds at most, and the rows that it yields."""

    limit: int
    rows: Callable[[bool], Iterator[Row]]
    what: str


def kernels(dry: bool) -> Iterator[Row]:
    """Compare the bits of every kernel with the CPU's, then measure their bandwidth."""
    import torch

    from zobench.bench import noise as bench
    from zobench.core.noise import interface as noise

    device = "cpu" if dry else "cuda"
    terms = [(0.3, 5), (-1.7, 2**62 + 3)]
    spans = ((0, 9_001), (4_063, 99)) if dry else ((0, (1 << 22) + 9), (4_063, 99))
    types, seeds = ("float32", "bfloat16", "float16"), (None, 2**63 - 1)
    for law, dtype, seed, (start, size) in product(noise.LAWS, types, seeds, spans):
        if seed is not None and dtype == "float32":
            continue
        kind = getattr(torch, dtype)
        here = torch.linspace(-1, 1, size, dtype=torch.float64).to(kind)
        there = here.to(device)
        for tensor in (here, there):
            noise.accumulate(tensor, terms, law, 3, 1, start, stochastic_seed=seed)
        rounding = "nearest" if seed is None else "stochastic"
        yield {"check": "bits", "law": law, "dtype": dtype, "rounding": rounding, "start": start,
               "elements": size, "equal": torch.equal(here, there.cpu())}  # fmt: skip
    size = 1 << 16 if dry else 1 << 30
    for dtype, stochastic in (("float32", False), ("bfloat16", False), ("bfloat16", True)):
        *_, (_, passes) = bench.measure(size, dtype, device, 2 if dry else 5, stochastic)
        for name, one in passes.items():
            rate = one.moved / one.seconds.median / 1e9
            share = passes[bench.ADD].seconds.ratio(one.seconds)
            rounding = "stochastic" if stochastic else "nearest"
            yield {"check": "speed", "law": name, "dtype": dtype, "rounding": rounding,
                   "elements": size, "gb_per_s": rate, "of_copy": share}  # fmt: skip


def step(dry: bool) -> Iterator[Row]:
    """Measure steps of the published sizes, the most telling first."""
    from zobench.core.params import NORMAL

    first, rest = ("textbook", "inference", "mezo"), ("inference", "mezo-bcd", "lozo")
    if dry:
        names = ("textbook", "inference", "mezo", "mezo-bcd")
        yield from _steps("", 2, 6, "float32", 1, names, paired=True, laws=NORMAL)
        return
    for tokens, batch in ((40, 16), (300, 16)):  # as long as SST-2's texts, and as BoolQ's
        for model in ("opt-1.3b", "opt-13b", "opt-125m"):
            repeats = 1 if model == "opt-13b" else 3
            for names in (first, ("textbook", *rest)):
                yield from _steps(model, batch, tokens, "bfloat16", repeats, names)
            setting = model, batch, tokens, "bfloat16", repeats, first
            yield from _steps(*setting, paired=True, laws=NORMAL)


def graphs(dry: bool) -> Iterator[Row]:
    """Measure steps with and without recorded losses."""
    names = ("inference", "mezo", "mezo-bcd")
    if dry:
        yield from _steps("", 2, 6, "float32", 1, names[:2], graphs=True)
    else:
        yield from _steps("opt-125m", 16, 40, "bfloat16", 5, names, graphs=True)


def _steps(
    model: str,
    batch: int,
    tokens: int,
    dtype: str,
    repeats: int,
    names: tuple[str, ...],
    **more: Any,
) -> Iterator[Row]:
    """Yield a row per case after every round; only those of the last one have all columns.

    Of a measurement that fails, the last row has the error.
    """
    common = {"model": model or "toy", "batch": batch, "tokens": tokens, "dtype": dtype}
    try:
        yield from _rounds(common, model, repeats, names, **more)
    except Exception as error:
        traceback.print_exc()
        yield common | {"estimator": " ".join(names), "round": f"failed: {error}"[:200]}


def _rounds(
    common: Row, model: str, repeats: int, names: tuple[str, ...], **more: Any
) -> Iterator[Row]:
    from zobench.bench.step import measure
    from zobench.bench.subject import Setup

    shape = {} if model else {"layers": 2, "hidden": 16, "vocab": 64, "heads": 2}
    device = "cuda" if model else "cpu"
    setup = Setup(**common | {"model": model}, device=device, **shape)
    for title, costs, machine in measure(setup, repeats, names, **more):
        baseline = next(iter(costs.values())).seconds
        for name, cost in costs.items():
            low, high = cost.seconds.spread
            floor = sum(cost.floor)
            yield {
                **common,
                "estimator": name,
                "round": title,
                "ms": 1e3 * cost.seconds.median,
                "ms_low": 1e3 * low,
                "ms_high": 1e3 * high,
                "speed": baseline.ratio(cost.seconds),
                "in_forwards": cost.forward,
                "forwards": cost.forwards,
                "mib": cost.memory / 2**20,
                "floor_ms": 1e3 * floor,
                "over_floor": cost.seconds.median / floor,
                "tflops": machine.flops / 1e12,
                "gb_per_s": machine.bandwidth / 1e9,
            }


def tests(dry: bool) -> Iterator[Row]:
    """Run the tests that need a GPU, and those of its kernels."""
    from importlib.util import find_spec
    from xml.etree import ElementTree

    if find_spec("pytest") is None:
        yield {"test": "", "outcome": "pytest is not installed"}
        return
    files = ["tests/test_graphs.py"] + ([] if dry else ["tests/test_noise_triton.py"])
    which = ["-m", "gpu"] if dry else ["-m", "not slow", "-k", "gpu or cuda or triton"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, *which]
        status = subprocess.run([*command, f"--junitxml={report}"], check=False).returncode
        if not report.is_file():
            yield {"test": "", "outcome": f"pytest ended with status {status}"}
            return
        for case in ElementTree.parse(report).iter("testcase"):
            outcome = next((child.tag for child in case), "passed")
            name = f"{case.get('classname')}::{case.get('name')}"
            yield {"test": name, "outcome": outcome, "seconds": case.get("time")}


def targets(dry: bool) -> Iterator[Row]:
    """Fine-tune an embedded model and a random one of 30 M weights, and score them on the way."""
    from transformers import AutoTokenizer

    import zobench
    from zobench.objectives.llm import models

    device, budget = ("cpu", 10) if dry else ("cuda", 4000)
    with tempfile.TemporaryDirectory() as folder:
        model_names = ["tiny" if dry else "small"]
        if not dry:
            _, tokenizer = models.load("small")
            large = models.random_opt(8, 512, len(tokenizer), 8)
            large.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            AutoTokenizer.from_pretrained(folder)  # the folder is whole
            model_names.append(folder)
        for model, (name, lr) in product(model_names, (("mezo", 3e-4), ("mezo-bcd", 1e-3))):
            problem = zobench.problem("llm", model=model, task="sentiment", device=device)
            params = problem.start(0)
            estimator, oracle = zobench.make(name, lr=lr), zobench.Oracle(problem, budget, 0)
            estimator.start(params, 0)
            clock, due = 0.0, 1
            while True:
                began = perf_counter()
                try:
                    estimator.step(oracle)
                    params.flush()
                except (zobench.BudgetExhausted, zobench.Diverged) as end:
                    print(f"{model}, {name}: {end}")
                    break
                clock += perf_counter() - began
                if oracle.queries >= due:
                    due = 1.5 * oracle.queries
                    yield {"model": Path(model).name if model in models.EMBEDDED else "30M",
                           "estimator": name, "lr": lr, "queries": oracle.queries,
                           "seconds": clock, "loss": problem.score()["loss"]}  # fmt: skip


def profile(dry: bool) -> Iterator[Row]:
    """Profile two steps: the operators and kernels that take the most time."""
    import torch
    from torch.profiler import ProfilerActivity

    from zobench.bench.step import stepper_of
    from zobench.bench.subject import FixedBatch, Meter, Setup, build

    if dry:
        setup = Setup("", 2, 16, 64, 2, 2, 6)
    else:
        setup = Setup("opt-1.3b", batch=16, tokens=40, dtype="bfloat16", device="cuda")
    model, batch = build(setup)
    activities = [ProfilerActivity.CPU] + ([] if dry else [ProfilerActivity.CUDA])
    for name in ("mezo", "mezo-bcd"):
        stepper = stepper_of(name, FixedBatch(model, batch, Meter()))
        stepper.step()
        with torch.profiler.profile(activities=activities) as profiler:
            for _ in range(2):
                stepper.step()
            if not dry:
                torch.cuda.synchronize()
        events = profiler.key_averages()
        events = sorted(events, key=lambda e: -(e.self_device_time_total or e.self_cpu_time_total))
        for event in events[:40]:
            yield {"estimator": name, "name": event.key[:120], "calls": event.count / 2,
                   "cpu_us": event.self_cpu_time_total / 2,
                   "device_us": event.self_device_time_total / 2}  # fmt: skip


STAGES = {
    "kernels": Stage(70, kernels, "bits against the CPU's, bandwidth"),
    "step": Stage(210, step, "seconds per step of OPT-125M, 1.3B and 13B"),
    "graphs": Stage(40, graphs, "steps with and without recorded losses"),
    "tests": Stage(70, tests, "tests that need a GPU"),
    "targets": Stage(60, targets, "seconds and queries to losses"),
    "profile": Stage(30, profile, "operators and kernels of a step"),
}


class Table:
    """Rows of a stage, written and flushed one by one; new columns begin a new file."""

    def __init__(self, file: Path) -> None:
        self.file, self.names, self.count = file, [], 0

    def add(self, row: Row) -> None:
        """Append a row."""
        new = [name for name in row if name not in self.names]
        if new:
            self.names += new
            rows = list(csv.DictReader(self.file.open())) if self.count else []
            with self.file.open("w", newline="") as file:
                writer = csv.DictWriter(file, self.names)
                writer.writeheader()
                writer.writerows(rows)
        with self.file.open("a", newline="") as file:
            csv.DictWriter(file, self.names).writerow(row)
        self.count += 1


def run_all(names: list[str], out: Path, dry: bool, seconds: int) -> int:
    """Run stages one after the other, and return the exit status."""
    summary = out / "summary.csv"
    before = {r["stage"]: r for r in csv.DictReader(summary.open())} if summary.is_file() else {}
    rows: dict[str, Row] = dict(before)
    began = monotonic()
    for name in names or [n for n in STAGES if before.get(n, {}).get("status") != "done"]:
        stage = STAGES[name]
        limit = min(stage.limit, seconds - (monotonic() - began))
        print(f"{name}: {stage.what}, at most {max(limit, 0):.0f} s", flush=True)
        rows[name] = {"stage": name, **_run(name, limit, out, dry)}
        print("{stage}: {status}, {rows} rows in {seconds} s".format(**rows[name]), flush=True)
        table = Table(summary)
        for row in rows.values():
            table.add(row)
    for line in _goals(out / "step.csv"):
        print(line)
    return 0 if all(rows.get(n, {}).get("status") == "done" for n in STAGES) else 1


def _run(name: str, limit: float, out: Path, dry: bool) -> Row:
    """Run a stage in a process group of its own, which is killed at its limit."""
    if limit < 5:
        return {"status": "no time left", "rows": 0, "seconds": 0}
    command = [sys.executable, __file__, "--stage", name, "--out", str(out)]
    began = monotonic()
    with (out / "log.txt").open("a") as log:
        print(f"\n== {name}", file=log, flush=True)
        process = subprocess.Popen(
            [*command, *(["--dry-run"] if dry else [])],
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(limit)
            status = "done" if code == 0 else f"failed with status {code}: see log.txt"
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as stop:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(stop, KeyboardInterrupt):
                raise
            status = "stopped at its limit"
    file = out / f"{name}.csv"
    rows = sum(1 for _ in csv.DictReader(file.open())) if file.is_file() else 0
    return {"status": status, "rows": rows, "seconds": round(monotonic() - began)}


def _goals(file: Path) -> Iterator[str]:
    """Put the goals, and what was measured of them, into lines."""
    if not file.is_file():
        return
    rows = [row for row in csv.DictReader(file.open()) if row["round"] == "done"]
    for model, estimator, least in GOALS:
        for row in rows:
            if (row["model"], row["estimator"]) == (model, estimator):
                share, over = float(row["in_forwards"]), float(row["over_floor"])
                where = f"{model}, {row['batch']} x {row['tokens']}, {estimator}"
                words = [f"{float(row['speed']):.2f}x the textbook step (goal {least:g}x)"]
                if estimator == "mezo":
                    words += [f"{share:.2f} in forwards (goal {LEAST_SHARE})"]
                words += [f"{over:.2f} of the floor (goal {MOST_OVER_FLOOR})"]
                yield f"{where}: {float(row['ms']):.1f} ms; {'; '.join(words)}"
    if any(row["model"] == "opt-13b" for row in rows):
        yield PUBLISHED_MS


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(os.environ.get("OUT") or "results/gpu")
    parser.add_argument("--dry-run", action="store_true", help="all stages on the CPU, toy sizes")
    parser.add_argument("--stages", default="", help=f"only these of {', '.join(STAGES)}")
    parser.add_argument("--out", type=Path, default=default, help="folder of the results")
    parser.add_argument("--seconds", type=int, default=IN_ALL, help="limit of all stages")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    names = [name for name in options.stages.split(",") if name]
    for name in names:
        if name not in STAGES:
            parser.error(f"no stage named {name!r}; there are {', '.join(STAGES)}")
    if options.stage:
        if options.dry_run:
            import torch

            torch.set_num_threads(1)
        table = Table(options.out / f"{options.stage}.csv")
        for row in STAGES[options.stage].rows(options.dry_run):
            table.add(row)
        return 0
    if not options.dry_run:
        import torch

        if not torch.cuda.is_available():
            parser.error("there is no CUDA device; --dry-run does all stages on the CPU")
    return run_all(names, options.out, options.dry_run, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
