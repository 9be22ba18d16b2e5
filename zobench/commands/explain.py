"""`zobench explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zobench.commands.options import Baselines, Defaults, Estimators


def explain(
    estimators: Estimators,
    problem: Annotated[
        str,
        typer.Option("--problem", "-p", metavar="SUITE:ID", help="A problem of a suite."),
    ] = "quick:tiny-sentiment",
    queries: Annotated[
        list[int] | None,
        typer.Option(
            "--queries",
            "-q",
            metavar="N",
            help="Measure where the first estimator is after N queries; repeatable.  [default: 0]",
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", "-n", metavar="N", help="Moves per estimator.")
    ] = 100,
    directions: Annotated[
        int, typer.Option("--directions", metavar="N", help="Directions for the curvature.")
    ] = 32,
    batches: Annotated[
        int,
        typer.Option("--batches", metavar="N", help="Minibatches whose mean loss is explained."),
    ] = 16,
    length: Annotated[
        float,
        typer.Option(
            "--length", metavar="X", help="Length of the moves that are measured; 1: theory's best."
        ),
    ] = 1.0,
    step: Annotated[
        float,
        typer.Option(
            "--step",
            metavar="X",
            help="Length of finite differences, per coordinate; 0: as suits the problem.",
        ),
    ] = 0.0,
    repetition: Annotated[
        int, typer.Option("--repetition", metavar="R", help="Repetition that decides the start.")
    ] = 0,
    defaults: Defaults = False,
    baselines: Baselines = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Also write groups.csv, estimators.csv and points.json.",
        ),
    ] = None,
) -> None:
    """Say why an estimator is fast or slow on a problem: what theory predicts, and what happens.

    A loss decreases by g m - m H m / 2 along a move -m, to second order. So the progress of an
    estimator follows from the slope and the curvature that its moves meet. This command measures
    both: where the gradient energy and the curvature lie, group by group; the slope and the
    curvature along the first moves of each estimator; the progress per query that follows for the
    best step; and the progress that further moves of this length make in fact.

    Nothing is counted as a query of a run. Objectives with gradients (functions, language models)
    are measured with them, others with losses alone.

    \b
    zobench explain mezo mezo-bcd --problem llm-tiny:small-sentiment
    zobench explain mezo lozo -p llm-tiny:tiny-topic -q 0 -q 1000 --out why
    zobench explain zo-sgd ./mine.py:Mine --problem quick:blocks-d4000 --draws 400
    """
    from zobench.display.explaining import show_explanation

    show_explanation(
        estimators, problem, queries or [0], draws, directions, batches, length, step, repetition,
        not defaults, baselines, out,
    )  # fmt: skip
