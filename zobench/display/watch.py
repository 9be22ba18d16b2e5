"""What `zobench watch` shows: progress of the replay, then what the film shows."""

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
    """Find the run, make it again, write the film, and say what is in it. Raises BadInput."""
    from zobench.watch import film
    from zobench.watch.replay import find, folders, replay

    path = path or Path(re.sub(r"[^\w.-]+", "-", run) + ".gif")
    film.check(path, episode, seconds)
    film.headless()
    found = find(run, estimator, number, folders(results))
    spec = found.spec
    name = f"{spec.problem.id}, {spec.estimator.text}, run {spec.repetition + 1}"
    policy = replay(
        found, lambda queries: progress(f"{name}: query {queries:,} of {found.queries:,}"), episode
    )
    progress("")
    shown = film.film(policy, path, episode, seconds)
    typer.echo(f"{name}: score {text.number(policy.score)} after {found.queries:,} queries")
    if policy.score != found.score:
        typer.echo(f"The stored score is {text.number(found.score)}: other versions or another "
                   "machine; the film shows the run as it went here.")  # fmt: skip
    typer.echo(f"wrote {path}: an episode of {shown.steps:,} steps, "
               f"return {text.number(shown.total)}")  # fmt: skip
