"""What `zobench bench noise` and `zobench bench numerics` show."""

from __future__ import annotations

import typer

from zobench.display import text
from zobench.display.bench import progress


def show_noise(
    size: int, dtype: str, device: str, repeats: int, threads: int, stochastic: bool
) -> None:
    """Measure and print passes of noise."""
    import torch

    from zobench.bench.noise import ADD, TORCH, Pass, measure

    if threads:
        torch.set_num_threads(threads)
    passes: dict[str, Pass] = {}
    for what, found in measure(size, dtype, device, repeats, stochastic):
        progress(what)
        passes = found
    progress("")
    rows = []
    for name, found in passes.items():
        low, high = found.seconds.spread
        rows.append([
            name,
            text.seconds(found.seconds.median),
            f"{text.seconds(low)} to {text.seconds(high)}",
            f"{found.moved / found.seconds.median / 1e9:.3g} GB/s",
            f"{passes[ADD].seconds.ratio(found.seconds):.0%}",
            f"{passes[TORCH].seconds.ratio(found.seconds):.1f}x",
        ])  # fmt: skip
    head = ["a pass of", "takes", "quartiles", "moves", "of bandwidth", "torch's speed"]
    how = ", rounded stochastically" if stochastic else ""
    typer.echo(f"x += a z(seed), {size:,} elements, {dtype} on {device}{how}")
    typer.echo(f"{torch.get_num_threads()} threads, medians of {repeats} interleaved rounds")
    typer.echo("\n".join(["", *text.table(head, rows), ""]))
    typer.echo(f"of bandwidth: against {ADD!r}, x += a, which only moves x.")


def show_numerics(
    dtypes: list[str], model: str, task: str, data: str, lr: float, eps: float, device: str
) -> None:
    """Measure and print drift, lost updates and the resolution of slopes."""
    from zobench.bench.numerics import STEPS, Row, cases, rows

    found: list[Row] = []
    total = len(cases(dtypes))
    for row in rows(dtypes, model, task, data, lr, eps, device):
        found.append(row)
        progress(f"{len(found)} of {total} cases")
    progress("")
    table = [
        [
            row.case.dtype,
            row.case.realisation,
            row.case.rounding,
            text.number(row.found.drift),
            f"{row.found.changed:.1%}",
            f"{row.found.effective:.1%}",
            text.number(row.slope),
            f"{text.number(100 * row.resolution)}%",
            f"{text.number(100 * row.coarse)}%",
        ]
        for row in found
    ]
    head = ["weights", "realisation", "rounding", "drift", "changed", "effective", "slope"]
    head += ["fp32 loss", "own type"]
    typer.echo(f"{model}, {task}: MeZO, {STEPS} steps, lr {lr:g}, eps {eps:g}, {device}")
    typer.echo("\n".join(["", *text.table(head, table, left=3), ""]))
    typer.echo("drift: distance after 10 probe pairs without an update, in lengths of a probe.")
    typer.echo(
        "changed: coordinates that an update changes. effective: the part of it that is made."
    )
    typer.echo("slope: median |c|; then the step between two slopes that a loss can tell apart,")
    typer.echo("over the slope: with the loss in fp32, as here, and in the weights' own type.")
