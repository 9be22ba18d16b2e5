"""Film an episode of a policy as a GIF or MP4 file, without a screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from zobench.errors import BadInput, Unsuitable
from zobench.objectives.rl._environment import EnvironmentSource, open_environment
from zobench.objectives.rl._rollout import Episode, Job, Roller
from zobench.objectives.rl._scoring import evaluation_seeds
from zobench.watch.replay import Policy

FASTEST = 25  # frames per second, at most
KINDS = (".gif", ".mp4")


def check(path: Path, episode: int, seconds: float) -> None:
    """Raise BadInput, before any work, for a wrong argument or a missing package."""
    if episode < 1:
        raise BadInput(f"episodes are numbered from 1, not {episode}")
    if not 0.0 < seconds < float("inf"):
        raise BadInput(f"--seconds is the length of the film, a number above 0, not {seconds}")
    if path.suffix.lower() not in KINDS:
        raise BadInput(f"{path} is not a {' or '.join(KINDS)} file")
    if not path.parent.is_dir():
        raise BadInput(f"cannot write {path.name}: there is no folder {str(path.parent)!r}")
    try:
        import imageio  # noqa: F401

        if path.suffix.lower() == ".mp4":
            import imageio_ffmpeg  # noqa: F401
    except ModuleNotFoundError as error:
        raise BadInput(f"a film needs {error.name}: pip install imageio imageio-ffmpeg") from None


def headless() -> None:
    """Let environments draw without a screen; called before any environment is made."""
    if not os.environ.get("DISPLAY"):
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        os.environ.setdefault("MUJOCO_GL", "egl")


def film(policy: Policy, path: Path, episode: int, seconds: float) -> Episode:
    """Roll out one of the scoring episodes, numbered from 1, and write its first `seconds`.

    Raises BadInput if the environment cannot be drawn.
    """
    import imageio

    problem, frames = policy.problem, []
    with _drawing(problem.source) as env:
        fps = float(env.metadata.get("render_fps") or FASTEST)
        every = max(1, round(fps / FASTEST))
        fps /= every
        step, count = env.step, 0

        def filmed(action: Any) -> Any:
            nonlocal count
            if not frames or (count % every == 0 and len(frames) < seconds * fps):
                frames.append(_frame(env))
            count += 1
            return step(action)

        env.step = filmed
        roller = Roller(
            EnvironmentSource(problem.source.name, lambda: env), problem.layers, problem.bias
        )
        seed = evaluation_seeds("score", episode)[-1]
        (result,) = roller(Job(policy.x, policy.moments, (seed,), problem.score_limit))
    if path.suffix.lower() == ".gif":
        imageio.mimsave(path, frames, duration=1000.0 / fps, loop=0)
    else:
        imageio.mimsave(path, frames, fps=fps, macro_block_size=2)
    return result


@contextmanager
def _drawing(source: EnvironmentSource) -> Iterator[Any]:
    """Open the environment so that it draws to arrays; its faults become one line."""
    import gymnasium

    try:
        env = open_environment(source, render_mode="rgb_array")
        env.reset(seed=0)
        _frame(env)
    except BadInput:
        raise
    except TypeError as error:
        raise BadInput(f"{source.name} cannot be drawn: its constructor takes no render_mode, with "
                       f"which its render returns an array ({error})") from error  # fmt: skip
    except (Unsuitable, gymnasium.error.Error) as error:
        raise BadInput(f"{source.name} cannot be drawn: {error}") from error
    except Exception as error:  # OpenGL raises many kinds
        raise BadInput(f"{source.name} cannot be drawn: {error}; for MuJoCo, MUJOCO_GL may be "
                       "egl, osmesa or glfw") from error  # fmt: skip
    try:
        yield env
    finally:
        env.close()


def _frame(env: Any) -> np.ndarray:
    """Draw the environment as an array of shape (height, width, 3)."""
    frame = env.render()
    if not isinstance(frame, np.ndarray) or frame.ndim != 3:
        raise BadInput(f"{type(env.unwrapped).__name__} gives no picture: its render must return "
                       "an array of shape (height, width, 3)")  # fmt: skip
    return frame
