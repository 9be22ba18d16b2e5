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
    dtypes: list[str],
    estimator: str,
    given: dict[str, float],
    model: str,
    task: str,
    data: str,
    device: str,
) -> None:
    """Measure and print drift, lost updates and the resolution of slopes, row by row."""
    from zobench.bench.numerics import STEPS, Row, cases, rows, settings

    def cells(row: Row) -> list[str]:
        case, found = row.case, row.found
        return [
            case.dtype,
            case.realisation,
            case.rounding,
            text.number(found.drift),
            _percent(found.changed, 1),
            _percent(found.effective, 1),
            text.number(row.slope),
            _percent(row.resolution),
            _percent(row.coarse),
        ]

    total = len(cases(dtypes))
    used = "".join(f", {name} {value:g}" for name, value in settings(estimator, given).items())
    typer.echo(f"{model}, {task}: {estimator}, {STEPS} steps{used}, {device}")
    head = ["weights", "realisation", "rounding", "drift", "changed", "effective", "slope"]
    head += ["fp32 loss", "own type"]
    widest = ["bfloat16", "realisation", "stochastic", *[f"{'':9}"] * 6]
    typer.echo("\n" + text.table(head, [widest], left=3)[0])
    progress(f"1 of {total} cases")
    for done, row in enumerate(rows(dtypes, estimator, given, model, task, data, device), 1):
        progress("")
        typer.echo(text.table(head, [widest, cells(row)], left=3)[2])
        if done < total:
            progress(f"{done + 1} of {total} cases")
    typer.echo("\ndrift: distance after the last 10 probe pairs without a move, in probe lengths.")
    typer.echo("changed: coordinates that the last move changes, of those that it should change.")
    typer.echo("effective: the part of the last move that is made.")
    typer.echo("slope: median |c|; then the step between two slopes that a loss can tell apart,")
    typer.echo("over the slope: with the loss in fp32, as here, and in the weights' own type.")


def _percent(share: float, places: int | None = None) -> str:
    """45.6%; without `places`, of three digits."""
    if share != share:
        return text.UNKNOWN
    return f"{text.number(100 * share)}%" if places is None else f"{share:.{places}%}"
