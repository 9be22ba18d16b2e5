"""Output of `zobench explain`: tables of the landscape and of the estimators, and sentences."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic

import typer

from zobench.display import text
from zobench.display.bench import progress
from zobench.explain.explanation import Point, explain
from zobench.explain.groups import Estimate, GroupFacts
from zobench.explain.moves import Bootstrapped, FirstMoves
from zobench.harness.files import write_whole

MOST = 24  # groups that a table shows; the files have all
GROUP_COLUMNS = (
    *("queries", "group", "coordinates", "energy", "energy_error", "noise", "noise_error"),
    *("trace", "trace_error"),
)
ESTIMATOR_COLUMNS = (
    *("queries", "estimator", "moves", "queries_per_move", "scatter", "curvature", "best_factor"),
    *("length", "predicted", "predicted_low", "predicted_high"),
    *("measured", "measured_low", "measured_high"),
)
LEGEND = (
    "energy: |g|^2, g the gradient of the mean loss; noise: trace of the covariance of the "
    "gradient on one minibatch; curvature: trace of the Hessian. scatter: E|m|^2 |g|^2 / E[g m]^2 "
    "of moves m, d + 2 for Gaussian directions of all coordinates, 1 for the gradient. progress: "
    "decrease of the mean loss per query by moves of the length that theory calls best{}, with "
    "95 % intervals over moves; an estimator starts anew before each move."
)


def show_explanation(
    names: Sequence[str],
    problem: str,
    queries: Sequence[int],
    draws: int,
    directions: int,
    batches: int,
    length: float,
    step: float,
    repetition: int,
    tuned: bool,
    baselines: Path | None,
    out: Path | None,
) -> None:
    """Measure, print the tables of each point as it is done, and write the files."""
    began = monotonic()

    def show(title: str, made: int, total: int) -> None:
        spent = monotonic() - began
        left = spent / made * (total - made) if len(queries) == 1 else math.nan
        rest = f", {text.seconds(left)} left" if math.isfinite(left) else ""
        progress(f"{title}: {made} of {total}{rest}")

    points = []
    for point in explain(
        names, problem, queries=queries, draws=draws, directions=directions, batches=batches,
        length=length, step=step, repetition=repetition, tuned=tuned, baselines=baselines,
        progress=show,
    ):  # fmt: skip
        progress("")
        points.append(point)
        typer.echo("\n".join(_lines(problem, point, names)))
    share = "" if length == 1 else f" times {length:g}"
    typer.echo("\n".join(text.wrapped(LEGEND.format(share))))
    if out is not None:
        files = _files(problem, points)
        for file, content in files.items():
            write_whole(out / file, content)
        typer.echo(f"wrote {', '.join(files)} in {out}")


def _lines(problem: str, point: Point, names: Sequence[str]) -> list[str]:
    where = f"after {point.queries:,} queries of {names[0]}" if point.queries else "at the start"
    land, total = point.landscape, point.landscape.total
    lines = ["", text.bold(f"{problem} {where}, score {text.number(point.score)}"), ""]
    shown = land.groups[:MOST]
    rows = [_group_row(group, total) for group in shown] + [_group_row(total, total)]
    if len(land.groups) > MOST:
        rows.insert(MOST, [f"{len(land.groups) - MOST} more", *[""] * 7])
    head = [
        "group",
        "coordinates",
        "energy",
        "share",
        "noise",
        "curvature",
        "share",
        "energy/curv.",
    ]
    lines += text.table(head, rows)
    if math.isfinite(land.largest):
        largest, dimension = text.number(land.largest), text.number(land.intrinsic_dimension)
        line = f"largest curvature {largest}, intrinsic dimension (trace / largest) {dimension}"
        lines += ["", f"{line} of {total.size:,}"]
    if land.gradient is None:
        line = (
            "The objective has no gradient: energy and curvature come from differences of losses "
            f"at {point.step:g} per coordinate, those of the loss smoothed at this length, and "
            "the largest curvature is unknown."
        )
        lines += ["", *text.wrapped(line)]
    made = [(name, m) for name, m in point.moves.items() if isinstance(m, FirstMoves)]
    rows = [_moves_row(name, moves, total) for name, moves in made]
    if rows:
        head = ["estimator", "queries", "scatter", "curvature", "predicted", "measured"]
        lines += ["", *text.table(head, rows)]
    lines += [""] + [
        f"{name}: {result}" for name, result in point.moves.items() if isinstance(result, str)
    ]
    for name, moves in made[1:]:
        lines += text.wrapped(sentence(name, moves, *made[0]))
    return [*lines, ""]


def _group_row(group: GroupFacts, total: GroupFacts) -> list[str]:
    def share(part: Estimate, whole: Estimate) -> float:
        return part.value / whole.value if whole.value else math.nan

    energy, trace = share(group.energy, total.energy), share(group.trace, total.trace)
    return [
        group.name,
        f"{group.size:,}",
        _estimate(group.energy),
        f"{energy:.0%}",
        _estimate(group.noise),
        _estimate(group.trace),
        f"{trace:.0%}",
        f"{energy / trace:.2f}" if trace > 0 else text.UNKNOWN,
    ]


def _moves_row(name: str, moves: FirstMoves, total: GroupFacts) -> list[str]:
    return [
        name,
        f"{moves.queries.mean():.3g}",
        text.number(moves.scatter(total.energy.value)),
        text.number(moves.curvature()),
        _interval(moves.predicted()),
        _interval(moves.measured()),
    ]


def _estimate(value: Estimate) -> str:
    error = f" ± {text.number(value.error, 1)}" if value.error else ""
    return text.number(value.value) + error


def _interval(value: Bootstrapped) -> str:
    low, high = text.number(value.low, 2), text.number(value.high, 2)
    return f"{text.number(value.value, 2)} [{low}, {high}]"


def sentence(name: str, moves: FirstMoves, first: str, base: FirstMoves) -> str:
    """Say what was predicted and measured of an estimator relative to the first one."""
    if not math.isfinite(moves.factor):
        return f"Moves of {name} are not downhill on average: theory expects no progress."
    if not math.isfinite(base.factor):
        return f"Moves of {first} are not downhill on average: there is nothing to compare with."
    predicted, measured = moves.relative_to(base, False), moves.relative_to(base, True)
    of_measured = (
        f"measured {_interval(measured)}"
        if base.measured().low > 0
        else f"the progress of {first} is too uncertain to measure a factor (raise --draws above "
        f"{len(base.slope)}, or lower --length)"
    )
    end = "sooner" if predicted.value > 1 else "later"
    certain = predicted.low > 1 or predicted.high < 1
    verdict = (
        f"{name} is {end} per query at this point"
        if certain
        else "neither is shown to be sooner per query at this point"
    )
    return (
        f"Progress per query of {name} relative to {first}: predicted {_interval(predicted)}, "
        f"{of_measured}. By the prediction, {verdict}."
    )


def _files(problem: str, points: list[Point]) -> dict[str, str]:
    """File -> its text: all groups and all estimators of all points, as CSV and as JSON."""
    from zobench.report.csvtext import csv_text  # with pandas

    groups, estimators, data = [], [], []
    for point in points:
        land = point.landscape
        for g in (*land.groups, land.total):
            numbers = [v for e in (g.energy, g.noise, g.trace) for v in (e.value, e.error)]
            groups.append((point.queries, g.name, g.size, *numbers))
        for name, m in point.moves.items():
            if isinstance(m, FirstMoves):
                bounds = [v for i in (m.predicted(), m.measured()) for v in asdict(i).values()]
                numbers = [m.scatter(land.total.energy.value), m.curvature(), m.factor, m.length]
                mean = float(m.queries.mean())
                estimators.append((point.queries, name, len(m.slope), mean, *numbers, *bounds))
        data.append({
            "problem": problem, "queries": point.queries, "score": point.score,
            "largest_curvature": land.largest, "intrinsic_dimension": land.intrinsic_dimension,
            "forwards": point.forwards, "batches": point.batches, "step": point.step,
            "unsuitable": {n: m for n, m in point.moves.items() if isinstance(m, str)},
        })  # fmt: skip
    return {
        "groups.csv": csv_text(GROUP_COLUMNS, groups),
        "estimators.csv": csv_text(ESTIMATOR_COLUMNS, estimators),
        "points.json": json.dumps(data, indent=2) + "\n",
    }
