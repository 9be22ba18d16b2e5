"""What `zobench bench` shows: a line of progress while it measures, then one table."""

from __future__ import annotations

import os
import sys

import typer

from zobench.bench.step import TEXTBOOK, Cost, Setup, measure
from zobench.display import text


def show_step(setup: Setup, repeats: int, threads: int) -> None:
    """Measure and print seconds a step, ratios to the textbook, and where the time goes."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    costs: dict[str, Cost] = {}
    for what, costs in measure(setup, repeats):
        progress(f"{what}: " + ", ".join(
            f"{name} {text.seconds(cost.seconds.median)}" for name, cost in costs.items()
        ))  # fmt: skip
    progress("")
    floor = costs[TEXTBOOK].seconds
    rows = []
    for name, cost in costs.items():
        low, high = cost.seconds.spread
        rows.append([
            name,
            text.seconds(cost.seconds.median),
            f"{text.seconds(low)} to {text.seconds(high)}",
            f"{cost.seconds.ratio(floor):.2f}",
            f"{cost.forward:.0%}",
            f"{1 - cost.forward:.0%}",
        ])  # fmt: skip
    head = ["method", "a step", "quartiles", "ratio", "forwards", "noise, weights"]
    shape = setup.model or (
        f"random OPT, {setup.layers} layers, hidden {setup.hidden}, vocabulary {setup.vocab}"
    )
    typer.echo(f"{shape}; batch {setup.batch} x {setup.tokens} tokens, two label words of one token")
    typer.echo(f"{setup.dtype} on {setup.device}, {torch.get_num_threads()} threads, "
               f"medians of {repeats} interleaved rounds")  # fmt: skip
    typer.echo("\n".join(["", *text.table(head, rows), ""]))
    typer.echo("ratio: median over the rounds of the step over the textbook's step.")
    typer.echo("mezo-bcd: mean over all groups, embeddings included (two steps on each).")


def progress(line: str) -> None:
    """Replace the line of progress; nothing where stderr is no terminal."""
    if sys.stderr.isatty():
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
        sys.stderr.write(f"\r\x1b[K{text.shortened(line, columns - 1)}")
        sys.stderr.flush()
