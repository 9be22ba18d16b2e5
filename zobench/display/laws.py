"""Output of `zobench bench law`."""

from __future__ import annotations

import sys

import typer

from zobench.display import text
from zobench.display.bench import progress


def show_words(law: str, seed: int, in_order: bool) -> None:
    """Write words to the output until the reader ends."""
    from zobench.bench.laws import write_words

    write_words(law, sys.stdout.buffer, seed, in_order)


def show_law(law: str, count: int) -> None:
    """Measure and print how near a law is to independent normals."""
    from zobench.bench.laws import facts

    rows = []
    for fact in facts(law, count):
        progress(fact.name)
        apart = f"{fact.apart:+.1f} s.e." if fact.error else f"{fact.apart:+.1e}"
        rows.append([fact.name, f"{fact.value:.8g}", f"{fact.normal:.8g}", apart])
    progress("")
    head = ["figure", law, "normal", "apart"]
    typer.echo("\n".join([f"{count:,} values of the law {law}", "", *text.table(head, rows), ""]))
    typer.echo("s.e.: standard errors; for a Kolmogorov-Smirnov (KS) distance 1/sqrt(n), of which "
               "chance exceeds 1.4 once in 25 times. Others are exact.")  # fmt: skip
