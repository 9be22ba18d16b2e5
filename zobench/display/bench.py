"""Output of `zobench bench`: a line of progress during the measurement, then one table."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from time import monotonic, perf_counter, process_time
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from zobench.bench.checkout import OVERHEAD, STEP, Checkout, in_turn
from zobench.bench.floor import Machine
from zobench.bench.step import DEFAULT, Cost, clock_of, measure
from zobench.bench.subject import Setup
from zobench.bench.timing import Sample
from zobench.display import text
from zobench.display.progress import PAUSE

if TYPE_CHECKING:
    from zobench.bench.overhead import OverheadRow

T = TypeVar("T")


def show_step(
    setup: Setup,
    repeats: int,
    threads: int,
    names: list[str],
    scratch: bool,
    graphs: bool,
    paired: bool = False,
    beside: str = "",
    laws: Sequence[str] = ("gaussian",),
) -> None:
    """Measure and print seconds per step, ratios to the textbook, shares of time, and the floor.

    `beside`: the folder of another checkout, to be measured in turn.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)
    costs: dict[str, Cost] = {}
    speed = Machine(float("nan"), float("nan"))
    clock = perf_counter if beside else clock_of(setup)  # older checkouts take elapsed time
    measured = measure(setup, repeats, names or DEFAULT, scratch, graphs, paired, laws, clock)
    request = {
        "setup": asdict(setup),
        "repeats": repeats,
        "names": names or DEFAULT,
        "threads": torch.get_num_threads(),
    }
    others: dict[str, Sample] = {}
    for (title, costs, machine), latest in _in_turn(measured, beside, STEP, request):
        speed, others = machine, latest
        progress(f"{title}: " + ", ".join(
            f"{name} {text.seconds(cost.seconds.median)}" for name, cost in costs.items()
        ))  # fmt: skip
    progress("")
    first = next(iter(costs))
    rows = []
    for name, cost in costs.items():
        low, high = cost.seconds.spread
        rows.append([
            name,
            text.seconds(cost.seconds.median),
            f"{text.seconds(low)} to {text.seconds(high)}",
            f"{costs[first].seconds.ratio(cost.seconds):.2f}x",
            text.seconds(cost.seconds.median / cost.queries),
            f"{cost.forwards:.2f}",
            f"{cost.forward:.0%}",
            f"{1 - cost.forward:.0%}",
            text.memory(cost.memory),
            text.seconds(sum(cost.floor)),
            f"{cost.seconds.median / sum(cost.floor):.1f}",
            *_beside_cells(cost.seconds, others.get(name), beside, text.seconds),
        ])  # fmt: skip
    head = ["estimator", "per step", "quartiles", "speed", "per query", "forwards", "in forwards"]
    head += ["noise, passes", "memory", "floor", "over floor", *(_BESIDE if beside else ())]
    shape = setup.model or (
        f"random OPT, {setup.layers} layers, hidden {setup.hidden}, vocabulary {setup.vocab}"
    )
    typer.echo(
        f"{shape}; batch {setup.batch} x {setup.tokens} tokens, two label words of one token"
    )
    measure_of = "processor time" if clock is process_time else "elapsed time"
    typer.echo(f"{setup.dtype} on {setup.device}, {torch.get_num_threads()} threads, {measure_of}, "
               f"medians of {repeats} interleaved rounds")  # fmt: skip
    typer.echo("\n".join(["", *text.table(head, rows), ""]))
    typer.echo(f"speed: steps in the time of one step of {first}, median over the rounds.")
    typer.echo("forwards: forward passes per step; an estimator that moves one group per step")
    typer.echo("computes the layers below that group once.")
    typer.echo("mezo-bcd: mean over all groups, embeddings included (one step on each).")
    typer.echo("shared: one minibatch per sweep, from the last group to the first.")
    typer.echo(
        "no delay: the weights are back at the point after each step (ZerothOrder's default)."
    )
    typer.echo("in forwards: share of the time; with scratch, without the making of the copies,")
    typer.echo("with paired including it.")
    typer.echo("noise, passes: the rest of the time.")
    typer.echo("memory: peak above the model and the memory of the process before.")
    typer.echo(
        f"floor: the forwards at {speed.flops / 1e12:.3g} TFLOP/s and the fewest passes over the "
        f"weights at\n{speed.bandwidth / 1e9:.3g} GB/s, both measured here."
    )
    _explain_beside(beside)


def _in_turn(
    measured: Iterable[T], beside: str, code: str, request: dict[str, Any]
) -> Iterator[tuple[T, dict[str, Sample]]]:
    """Yield the parts of a measurement, with those of the checkout `beside` if there is one."""
    if beside:
        yield from in_turn(measured, Checkout(Path(beside), code, request))
    else:
        yield from ((part, {}) for part in measured)


def _beside_cells(
    here: Sample, there: Sample | None, beside: str, written: Callable[[float], str]
) -> list[str]:
    """Return the cells of the other checkout: its median, and the ratio of this one to it."""
    if not beside:
        return []
    if there is None or len(there.values) != len(here.values):
        return ["", ""]
    return [written(there.median), f"{here.ratio(there):.2f}"]


def _explain_beside(beside: str) -> None:
    if beside:
        typer.echo(f"beside: the same in {beside}, a round there after each round here; of it: the")
        typer.echo("time here divided by the time there, median over the rounds.")


_BESIDE = ["beside", "of it"]


def progress(line: str) -> None:
    """Replace the line of progress; without a terminal, print a line every ten seconds at most."""
    if sys.stderr.isatty():
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
        sys.stderr.write(f"\r\x1b[K{text.shortened(line, columns - 1)}")
        sys.stderr.flush()
    elif line and monotonic() - _last_line[0] > PAUSE:
        _last_line[0] = monotonic()
        print(line, file=sys.stderr, flush=True)


_last_line = [-math.inf]  # the time of the last line on a stream that is not a terminal


def last_result(measurement: Iterable[tuple[str, list[T]]]) -> list[T]:
    """Show the titles of a measurement as progress and return its last result."""
    result: list[T] = []
    for title, rows in measurement:
        result = rows
        progress(title)
    progress("")
    return result


def show_overhead(repeats: int, bbob_repeats: int, queries: int, beside: str = "") -> None:
    """Measure and print microseconds per query, and ratios to a plain script of the same work.

    `beside`: the folder of another checkout, to be measured in turn.
    """
    from zobench.bench.overhead import bbob, cheap

    rounds = "interleaved rounds"
    request = {"repeats": repeats, "bbob_repeats": bbob_repeats, "queries": queries}
    parts = chain(cheap(repeats, queries), bbob(bbob_repeats) if bbob_repeats else ())
    rows: dict[str, OverheadRow] = {}
    others: dict[str, Sample] = {}
    for (title, latest), others in _in_turn(parts, beside, OVERHEAD, request):  # noqa: B007
        rows |= {f"{row.group}: {row.name}": row for row in latest}
        progress(title)
    progress("")
    for title, is_cheap in (
        (f"medians of {repeats} {rounds} of {queries:,} queries", True),
        (f"medians of {bbob_repeats} {rounds}; wall clock, with start-up", False),
    ):
        shown = {n: row for n, row in rows.items() if row.group.startswith("sphere") == is_cheap}
        _show(shown, title, others, beside)
    typer.echo("added, ratio: against the plain script, the nearest row above with ratio 1.")
    _explain_beside(beside)


def _show(
    named: Mapping[str, OverheadRow], unit: str, others: Mapping[str, Sample], beside: str
) -> None:
    rows = list(named.values())
    for group in dict.fromkeys(row.group for row in rows):
        cells = []
        for row in rows:
            if row.group == group:
                low, high = (1e6 * value for value in row.seconds.spread)
                first = row.seconds is row.floor
                added = 1e6 * (row.seconds.median - row.floor.median)
                cells.append([
                    row.name,
                    f"{1e6 * row.seconds.median:.2f}",
                    f"{low:.2f} to {high:.2f}",
                    "" if first else f"{added:+.2f}",
                    "1" if first else f"{row.seconds.ratio(row.floor):.2f}",
                    *_beside_cells(
                        row.seconds,
                        others.get(f"{row.group}: {row.name}"),
                        beside,
                        lambda seconds: f"{1e6 * seconds:.2f}",
                    ),
                ])  # fmt: skip
        typer.echo(text.bold(f"{group} ({unit})"))
        head = ["", "us per query", "quartiles", "added", "ratio", *(_BESIDE if beside else ())]
        typer.echo("\n".join([*text.table(head, cells), ""]))


def show_blocks(dim: int, blocks: int, steps: int, seeds: int) -> None:
    """Measure and print the best learning rates and the progress of MeZO-BCD against MeZO."""
    from zobench.bench.blocks import CORRELATIONS, experiment

    rows = []
    progress(f"correlation {CORRELATIONS[0]}, 1 of {len(CORRELATIONS)}")
    for count, o in enumerate(experiment(dim, blocks, steps, seeds), 1):
        rows.append([
            o.correlation,
            *(f"{o.lr[name]:.2f}" for name in ("mezo", "mezo-bcd")),
            f"{o.lr_ratio:.1f}",
            *(f"{o.gap[name]:.3f}" for name in ("mezo", "mezo-bcd")),
            f"{o.gain:.2f}",
            f"{o.predicted:.2f}",
        ])  # fmt: skip
        progress(f"{count} of {len(CORRELATIONS)} correlations")
    progress("")
    head = ["correlation", "lr mezo", "lr bcd", "ratio", "gap mezo", "gap bcd", "gain", "theory"]
    typer.echo(f"block-quadratic, d = {dim}, {blocks} blocks, {2 * steps} queries, {seeds} seeds")
    typer.echo("\n".join(["", *text.table(head, rows), ""]))
    typer.echo(
        "lr: the best of the grid, times tr H. gap: f - f* at the end; it is 1 at the start."
    )
    typer.echo("gain: log gap of mezo-bcd / log gap of mezo. theory: (sum e)(sum t)/(N sum e t)")
    typer.echo("for the first steps, with gradient energy e and curvature t of each block.")


def show_rollouts(names: Sequence[str], repeats: int) -> None:
    """Measure and print microseconds per step, and ratios to a bare loop of the same episodes."""
    from zobench.bench.rollouts import DEFAULT, rollouts

    cells = []
    for row in last_result(rollouts(names or DEFAULT, repeats)):
        low, high = (1e6 * value for value in row.seconds.spread)
        median = f"{1e6 * row.seconds.median:.2f}"
        ratio = f"{row.seconds.ratio(row.floor):.2f}"
        cells.append([row.env, row.name, median, f"{low:.2f} to {high:.2f}", ratio])
    head = ["environment", "", "us per step", "quartiles", "ratio"]
    typer.echo("\n".join([*text.table(head, cells, left=2), ""]))
    typer.echo(f"medians of {repeats} interleaved rounds; ratio: to the bare loop on the "
               "environment of gymnasium.make.")  # fmt: skip


def show_prompts(model: str, tokens: Sequence[int], count: int, repeats: int, threads: int) -> None:
    """Measure and print milliseconds per query, and the speed-up over prompts one by one."""
    import torch

    from zobench.bench.prompts import DEFAULT, prompts

    if threads:
        torch.set_num_threads(threads)
    cells = []
    for row in last_result(prompts(model, tokens or DEFAULT, count, repeats)):
        low, high = (1e3 * value for value in row.seconds.spread)
        median = 1e3 * row.seconds.median
        faster = [f"{base.ratio(row.seconds):.2f}" for base in (row.sequences, row.single)]
        cells.append([row.problem, row.name, f"{median:.2f}", f"{low:.2f} to {high:.2f}", *faster])
    head = ["problem", "", "ms per query", "quartiles", "x whole", "x single"]
    typer.echo("\n".join([*text.table(head, cells, left=2), ""]))
    typer.echo(f"medians of {repeats} interleaved rounds, {torch.get_num_threads()} thread(s)")
    typer.echo("x whole, x single: queries per second, relative to one whole padded sequence per")
    typer.echo("prompt and pass, and to one call per prompt.")
