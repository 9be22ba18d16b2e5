"""Output of `zobench watch`: the progress of the replay, then the facts of the film."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from zobench.display import text
from zobench.display.bench import progress


def show_watch(
    run: str,
    path: Path | None,
    estimator: str,
    number: int,
    results: Path | None,
    episode: int,
    seconds: float,
) -> None:
    """Look up the run, make it again, write the film and print its facts. Raises BadInput."""
    from zobench.watch import film
    from zobench.watch.replay import find, folders, replay

    path = path or Path(re.sub(r"[^\w.-]+", "-", run) + ".gif")
    film.check(path, episode, seconds)
    film.headless()
    best = find(run, estimator, number, folders(results))
    spec = best.spec
    name = f"{spec.problem.id}, {spec.estimator.text}, run {spec.repetition + 1}"
    policy = replay(
        best, lambda queries: progress(f"{name}: query {queries:,} of {best.queries:,}"), episode
    )
    progress("")
    episode_film = film.film(policy, path, episode, seconds)
    typer.echo(f"{name}: score {text.number(policy.score)} after {best.queries:,} queries")
    if policy.score != best.score:
        typer.echo(f"The stored score is {text.number(best.score)}: it was made with other "
                   "versions or on another machine; the film shows the new run.")  # fmt: skip
    typer.echo(f"wrote {path}: an episode of {episode_film.steps:,} steps, "
               f"return {text.number(episode_film.total)}")  # fmt: skip
