"""What `zobench bench` shows: a line of progress while it measures, then one table."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

import typer

from zobench.bench.floor import Machine
from zobench.bench.step import DEFAULT, Cost, measure
from zobench.bench.subject import Setup
from zobench.display import text
from zobench.display.progress import PAUSE

if TYPE_CHECKING:
    from zobench.bench.overhead import Line


def show_step(
    setup: Setup, repeats: int, threads: int, names: list[str], scratch: bool, graphs: bool
) -> None:
    """Measure and print seconds a step, ratios to the textbook, where time goes, and the floor."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    costs: dict[str, Cost] = {}
    reached = Machine(float("nan"), float("nan"))
    for what, costs, machine in measure(setup, repeats, names or DEFAULT, scratch, graphs):
        reached = machine
        progress(f"{what}: " + ", ".join(
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
        ])  # fmt: skip
    head = ["method", "a step", "quartiles", "speed", "a query", "forwards", "in them"]
    head += ["noise, passes", "memory", "floor", "over it"]
    shape = setup.model or (
        f"random OPT, {setup.layers} layers, hidden {setup.hidden}, vocabulary {setup.vocab}"
    )
    typer.echo(
        f"{shape}; batch {setup.batch} x {setup.tokens} tokens, two label words of one token"
    )
    typer.echo(f"{setup.dtype} on {setup.device}, {torch.get_num_threads()} threads, "
               f"medians of {repeats} interleaved rounds")  # fmt: skip
    typer.echo("\n".join(["", *text.table(head, rows), ""]))
    typer.echo(f"speed: steps while {first} makes one, median over the rounds. forwards: a step;")
    typer.echo("a method that moves a group at a time computes the layers below it once.")
    typer.echo("mezo-bcd: mean over all groups, embeddings included (one step on each).")
    typer.echo(
        "no delay: the weights are back at the point after each step (ZerothOrder's default)."
    )
    typer.echo("in them: in forward passes; with scratch, less the making of the copies.")
    typer.echo("memory: peak above the model and what the process held. floor: the forwards at")
    typer.echo(f"{reached.flops / 1e12:.3g} TFLOP/s and the least passes over the weights at "
               f"{reached.bandwidth / 1e9:.3g} GB/s, both measured here.")  # fmt: skip


def progress(line: str) -> None:
    """Replace the line of progress; without a terminal, show a new line now and then."""
    if sys.stderr.isatty():
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
        sys.stderr.write(f"\r\x1b[K{text.shortened(line, columns - 1)}")
        sys.stderr.flush()
    elif line and monotonic() - _told[0] > PAUSE:
        _told[0] = monotonic()
        print(line, file=sys.stderr, flush=True)


_told = [-math.inf]  # when the last line was written


def show_overhead(repeats: int, bbob_repeats: int, queries: int) -> None:
    """Measure and print microseconds a query, and ratios to the plain script of the same work."""
    from zobench.bench.overhead import bbob, cheap

    lines: list[Line] = []
    for what, found in cheap(repeats, queries):
        lines = found
        progress(what)
    _show(lines, f"medians of {repeats} interleaved rounds of {queries:,} queries")
    if bbob_repeats:
        for what, found in bbob(bbob_repeats):
            lines = found
            progress(what)
        _show(lines, f"medians of {bbob_repeats} interleaved rounds; wall clock, start-up included")
    typer.echo("added, ratio: against the plain script, the nearest line above with ratio 1.")


def _show(lines: Sequence[Line], what: str) -> None:
    progress("")
    for group in dict.fromkeys(line.group for line in lines):
        rows = []
        for line in lines:
            if line.group == group:
                low, high = (1e6 * value for value in line.seconds.spread)
                first = line.seconds is line.floor
                added = 1e6 * (line.seconds.median - line.floor.median)
                rows.append([
                    line.name,
                    f"{1e6 * line.seconds.median:.2f}",
                    f"{low:.2f} to {high:.2f}",
                    "" if first else f"{added:+.2f}",
                    "1" if first else f"{line.seconds.ratio(line.floor):.2f}",
                ])  # fmt: skip
        typer.echo(text.bold(f"{group} ({what})"))
        head = ["", "us a query", "quartiles", "added", "ratio"]
        typer.echo("\n".join([*text.table(head, rows), ""]))


def show_blocks(dim: int, blocks: int, steps: int, seeds: int) -> None:
    """Measure and print best learning rates and progress of MeZO-BCD against MeZO."""
    from zobench.bench.blocks import CORRELATIONS, experiment

    rows = []
    progress(f"correlation {CORRELATIONS[0]}, 1 of {len(CORRELATIONS)}")
    for done, o in enumerate(experiment(dim, blocks, steps, seeds), 1):
        rows.append([
            o.correlation,
            *(f"{o.lr[name]:.2f}" for name in ("mezo", "mezo-bcd")),
            f"{o.lr_ratio:.1f}",
            *(f"{o.gap[name]:.3f}" for name in ("mezo", "mezo-bcd")),
            f"{o.gain:.2f}",
            f"{o.predicted:.2f}",
        ])  # fmt: skip
        progress(f"{done} of {len(CORRELATIONS)} correlations")
    progress("")
    head = ["correlation", "lr mezo", "lr bcd", "ratio", "gap mezo", "gap bcd", "gain", "theory"]
    typer.echo(f"block-quadratic, d = {dim}, {blocks} blocks, {2 * steps} queries, {seeds} seeds")
    typer.echo("\n".join(["", *text.table(head, rows), ""]))
    typer.echo("lr: the best of the grid, times tr H. gap: f - f* at the end, 1 at the start.")
    typer.echo(
        "gain: log gap of mezo-bcd over log gap of mezo; theory: (sum e)(sum t)/(N sum e t),"
    )
    typer.echo("which holds for the first steps; e gradient energy, t curvature of each block.")


def show_rollouts(names: Sequence[str], repeats: int) -> None:
    """Measure and print microseconds a step, and ratios to the bare loop of the same episodes."""
    from zobench.bench.rollouts import DEFAULT, rollouts

    lines = []
    for what, found in rollouts(names or DEFAULT, repeats):
        lines = found
        progress(what)
    progress("")
    rows = []
    for line in lines:
        low, high = (1e6 * value for value in line.seconds.spread)
        median = f"{1e6 * line.seconds.median:.2f}"
        ratio = f"{line.seconds.ratio(line.floor):.2f}"
        rows.append([line.env, line.name, median, f"{low:.2f} to {high:.2f}", ratio])
    head = ["environment", "", "us per step", "quartiles", "ratio"]
    typer.echo("\n".join([*text.table(head, rows, left=2), ""]))
    typer.echo(f"medians of {repeats} interleaved rounds; ratio: to the bare loop on what "
               "gymnasium.make gives.")  # fmt: skip


def show_prompts(model: str, tokens: Sequence[int], count: int, repeats: int, threads: int) -> None:
    """Measure and print milliseconds a query, and how many more a second than one by one."""
    import torch

    from zobench.bench.prompts import DEFAULT, prompts

    if threads:
        torch.set_num_threads(threads)
    lines = []
    for what, found in prompts(model, tokens or DEFAULT, count, repeats):
        lines = found
        progress(what)
    progress("")
    rows = []
    for line in lines:
        low, high = (1e3 * value for value in line.seconds.spread)
        median = 1e3 * line.seconds.median
        faster = [f"{one.ratio(line.seconds):.2f}" for one in (line.whole, line.single)]
        rows.append([line.problem, line.name, f"{median:.2f}", f"{low:.2f} to {high:.2f}", *faster])
    head = ["problem", "", "ms a query", "quartiles", "to whole", "to a call each"]
    typer.echo("\n".join([*text.table(head, rows, left=2), ""]))
    typer.echo(
        f"medians of {repeats} interleaved rounds, {torch.get_num_threads()} thread(s); "
        "ratios: queries a second,\nto whole sequences, one prompt a pass, and to a call each."
    )
