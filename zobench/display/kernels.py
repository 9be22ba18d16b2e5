"""Output of `zobench bench noise` and `zobench bench numerics`."""

from __future__ import annotations

import typer

from zobench.display import text
from zobench.display.bench import progress


def show_noise(
    size: int, dtype: str, device: str, repeats: int, threads: int, stochastic: bool
) -> None:
    """Measure and print the speed of passes of noise."""
    import torch

    from zobench.bench.noise import ADD, TORCH, Pass, measure

    if threads:
        torch.set_num_threads(threads)
    passes: dict[str, Pass] = {}
    for title, result in measure(size, dtype, device, repeats, stochastic):
        passes = result
        progress(title)
    progress("")
    rows = []
    for name, one_pass in passes.items():
        low, high = one_pass.seconds.spread
        rows.append([
            name,
            text.seconds(one_pass.seconds.median),
            f"{one_pass.per_element:.3f}",
            f"{text.seconds(low)} to {text.seconds(high)}",
            f"{one_pass.moved / one_pass.seconds.median / 1e9:.3g} GB/s",
            f"{passes[ADD].seconds.ratio(one_pass.seconds):.0%}",
            f"{passes[TORCH].seconds.ratio(one_pass.seconds):.1f}x",
        ])  # fmt: skip
    head = ["pass", "time", "ns per element", "quartiles", "traffic", "of bandwidth", "x torch"]
    rounding = ", rounded stochastically" if stochastic else ""
    typer.echo(f"x += a z(seed), {size:,} elements, {dtype} on {device}{rounding}")
    typer.echo(f"{torch.get_num_threads()} threads, medians of {repeats} interleaved rounds")
    typer.echo("\n".join(["", *text.table(head, rows), ""]))
    typer.echo(f"of bandwidth: relative to {ADD!r}, x += a, which only moves x. x torch: speed "
               "relative to torch.normal and an add. Copies are x + a z and x - a z, for a slice "
               "of 2 MiB at a time, which stay in caches; a move is x += a z before.")  # fmt: skip


def show_numerics(
    dtypes: list[str],
    estimator: str,
    values: dict[str, float],
    model: str,
    task: str,
    data: str,
    device: str,
) -> None:
    """Measure and print drift, lost updates and the resolution of slopes, row by row.

    `values`: the learning rate and the smoothing radius, for estimators that have such a setting.
    """
    from zobench.bench.numerics import STEPS, NumericsRow, cases, rows, settings

    def cells(row: NumericsRow) -> list[str]:
        case, effects = row.case, row.figures
        return [
            case.dtype,
            case.realisation,
            case.rounding,
            text.number(effects.drift),
            _percent(effects.changed, 1),
            _percent(effects.effective, 1),
            text.number(row.slope),
            _percent(row.resolution),
            _percent(row.coarse),
        ]

    total = len(cases(dtypes))
    settings_text = "".join(
        f", {name} {value:g}" for name, value in settings(estimator, values).items()
    )
    typer.echo(f"{model}, {task}: {estimator}, {STEPS} steps{settings_text}, {device}")
    head = ["weights", "realisation", "rounding", "drift", "changed", "effective", "slope"]
    head += ["fp32 loss", "own dtype"]
    widest = ["bfloat16", "realisation", "stochastic", *[f"{'':9}"] * 6]
    typer.echo("\n" + text.table(head, [widest], left=3)[0])
    progress(f"1 of {total} cases")
    for count, row in enumerate(rows(dtypes, estimator, values, model, task, data, device), 1):
        progress("")
        typer.echo(text.table(head, [widest, cells(row)], left=3)[2])
        if count < total:
            progress(f"{count + 1} of {total} cases")
    typer.echo("\ndrift: distance after the last 10 probe pairs without a move, in probe lengths.")
    typer.echo("changed: coordinates that the last move changes, of those that it should change.")
    typer.echo("effective: the share of the last move that the weights take.")
    typer.echo("slope: median |c|. fp32 loss, own dtype: the smallest difference between two")
    typer.echo("slopes that the loss can resolve, relative to the slope, with the loss in fp32")
    typer.echo("and in the dtype of the weights.")


def _percent(share: float, digits: int | None = None) -> str:
    """Return a share as 45.6%; without `places`, with three digits."""
    if share != share:
        return text.UNKNOWN
    return f"{text.number(100 * share)}%" if digits is None else f"{share:.{digits}%}"
