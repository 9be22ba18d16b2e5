"""`zobench watch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def watch(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A problem, for its best run, or a run_key of runs.csv."
        ),
    ],
    film: Annotated[
        Path | None,
        typer.Option(
            "--film", "-f", metavar="FILE", help="The .gif or .mp4 file.  [default: RUN.gif]"
        ),
    ] = None,
    estimator: Annotated[
        str, typer.Option("--estimator", "-e", metavar="NAME", help="Only runs of this estimator.")
    ] = "",
    number: Annotated[
        int, typer.Option("--run", metavar="N", help="The number of the run, from 1; 0: any.")
    ] = 0,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results", metavar="FOLDER", help="The results folder.  [default: all in results/]"
        ),
    ] = None,
    episode: Annotated[
        int, typer.Option(metavar="N", help="The scoring episode to film, from 1.")
    ] = 1,
    seconds: Annotated[float, typer.Option(metavar="S", help="Length of the film, at most.")] = 20,
) -> None:
    """Film the best policy of a run, without a screen.

    Policies are not stored: the run is made again from its seeds up to its best score, which takes
    as long as the first time.

    \b
    zobench run ars --suite rl-classic --problem cartpole
    zobench watch cartpole
    zobench watch half-cheetah --estimator ars --film cheetah.mp4
    """
    from zobench.display.watch import show_watch

    show_watch(run, film, estimator, number, results, episode, seconds)
