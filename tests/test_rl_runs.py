"""Runs of policies through the harness: solved, failed, watched."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from zobench.cli import status_of
from zobench.errors import BadInput
from zobench.harness.plan import plan
from zobench.harness.run import Run, execute
from zobench.harness.suite_file import load
from zobench.registry import objectives

pytest.importorskip("gymnasium")
FILE = Path(__file__).with_name("rl_environments.py")


def suite(folder, settings, objective=f"{FILE}:line", budget=40, **more):
    extra = "".join(f"{key} = {value}\n" for key, value in more.items())
    path = folder / "s.toml"
    path.write_text(
        f'name = "s"\nversion = "1"\nbudget = {budget}\nrepetitions = 1\n{extra}[[problem]]\n'
        f'id = "p"\nobjective = "{objective}"\nsettings = {{ {settings} }}\ntargets = [-1e9]\n'
    )
    return path


def made(folder, settings, estimator="ars:eps=0.1", **more):
    (spec,) = plan(load(str(suite(folder, settings, **more))), [estimator])
    return execute(spec)


@pytest.mark.parametrize(("kind", "status", "words"), [
    ("Raising", "failed", r"ZeroDivisionError: .*division by zero \(.*rl_environments.py:\d+\)"),
    ("NanReward", "diverged", "NanReward: rewards of 30 steps added up to nan"),
    ("NanObservation", "diverged", "the observation was not a number in step 5 of an episode"),
    ("Endless", "failed", "Endless: an episode did not end within 100,000 steps; set cap"),
    ("Several", "failed", "Several has actions of MultiDiscrete"),
    ("Short", "failed", r"^Short: step gave observations of shape \(2,\); its .* says \(3,\)$"),
    ("Four", "failed", r"^Four: step gave a tuple of 4, not a tuple of \(obs, reward, .*info\)$"),
    ("Bare", "failed", r"^Bare: reset gave array\(.*, not a tuple of \(obs, info\)$"),
    ("Unpaid", "failed", "^Unpaid: step gave the reward None, which is not a number$"),
    ("Greedy", "oom", "^no room for a reward$"),
])  # fmt: skip
@pytest.mark.parametrize("workers", [1, 2])
def test_a_faulty_environment_is_a_row_that_says_why(tmp_path, kind, status, words, workers):
    result = made(tmp_path, f'kind = "{kind}", workers = {workers}')
    assert result.status == status
    assert re.search(words, result.reason)
    assert "\n" not in result.reason


def test_a_step_that_never_returns_is_a_timeout(tmp_path, monkeypatch):
    from zobench.harness import limits as kept
    from zobench.harness import run as runs
    from zobench.harness.limits import Limits

    monkeypatch.setattr(kept, "BUILD", 0.5)
    (spec,) = plan(load(str(suite(tmp_path, 'kind = "Sleeping"', time_limit=0.5))), ["ars"])
    run = runs.Run(spec)
    limits = Limits(None, lambda: None)
    result = run.execute(limits, limits.phase)
    assert (result.status, result.reason) == (
        "timeout",
        "stopped after 0.5 s of building; a longer time limit allows more",
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_timeout_keeps_what_was_done(tmp_path, monkeypatch, workers):
    from zobench.harness.limits import Limits

    where = suite(tmp_path, f'kind = "Stalling", workers = {workers}', time_limit=1)
    (spec,) = plan(load(str(where)), ["ars:n=1,keep=1"])
    limits = Limits(None, lambda: None)
    started = time.monotonic()
    result = Run(spec).execute(limits, limits.phase)
    assert time.monotonic() - started < 300.0
    assert (result.status, result.reason) == ("timeout", "stopped after 1 s")
    assert result.queries > 0
    assert result.final_score == result.trace[-1][2]


def test_workers_change_nothing_of_a_run(tmp_path):
    one, two = (
        made(tmp_path, f"workers = {n}, whiten = true", "ars:eps=0.1,lr=0.1,n=2,keep=1")
        for n in (1, 2)
    )
    assert one.status == two.status == "budget"
    assert one.samples == two.samples == 40 * 30
    assert [(q, s) for q, _, s, _ in one.trace] == [(q, s) for q, _, s, _ in two.trace]
    assert one.describe == two.describe
    assert one.trace[-1][2] < one.trace[0][2]


def test_a_package_that_is_missing_is_a_skipped_row(tmp_path, monkeypatch):
    pytest.importorskip("Box2D")
    import sys

    for name in [n for n in sys.modules if n.startswith(("Box2D", "gymnasium.envs.box2d"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    result = made(tmp_path, 'env = "LunarLander-v3"', objective="rl")
    assert result.status == "skipped"
    assert "pip install" in result.reason
    assert "box2d" in result.reason


def test_cartpole_is_solved(tmp_path):
    (spec,) = plan(load("rl-classic").pick(["cartpole"]), ["cma-es"], repetitions=1)
    result = execute(spec)
    assert result.status == "target"
    assert result.scores["return"] >= 475.0
    assert result.scores["test_return"] > 400.0
    assert result.samples > result.queries


@pytest.mark.parametrize("name", ["rl-classic", "rl-mujoco"])
def test_targets_lie_between_the_start_and_the_threshold(name):
    for problem in load(name).problems:
        if problem.objective != "rl":
            continue
        package = {"rl-mujoco": "mujoco"}.get(name) or (
            "Box2D" if "Lunar" in problem.settings["env"] else "gymnasium"
        )
        pytest.importorskip(package)
        made = objectives["rl"].build(problem.settings | {"score_episodes": 2})
        made.start(1)
        assert problem.targets[0] < made.score()["loss"]
        if made.source.threshold is not None:
            assert problem.targets[-1] == -made.source.threshold


def test_the_best_policy_of_a_run_can_be_watched(tmp_path, monkeypatch, capfd):
    imageio = pytest.importorskip("imageio")
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    pytest.importorskip("pygame")
    monkeypatch.chdir(tmp_path)
    for name in ("SDL_VIDEODRIVER", "MUJOCO_GL"):
        monkeypatch.setenv(name, "dummy" if name.startswith("SDL") else "egl")
    few = 'env = "CartPole-v1", cap = 100, score_episodes = 3, test_episodes = 3'
    path = suite(tmp_path, few, objective="rl", budget=24)
    run = ["run", "ars:lr=0.1,eps=0.1,n=2,keep=1", "cma-es", "-s", str(path), "-j", "1"]
    assert status_of(run) == 0
    assert status_of(["watch", "p", "--film", "best.mp4", "--seconds", "0.6"]) == 0
    out = capfd.readouterr().out
    assert "The stored score" not in out
    steps = int(re.search(r"an episode of (\d+) steps", out)[1])
    frames, length = ffmpeg.count_frames_and_secs("best.mp4")
    assert frames == min(15, -(-steps // 2))
    assert length == pytest.approx(frames / 25, abs=0.05)
    assert status_of(["watch", "p", "-e", "cma-es", "--run", "1", "--seconds", "0.2"]) == 0
    frames = imageio.mimread("p.gif")
    assert len(frames) > 1
    assert frames[0].shape[:2] == (400, 600)
    capfd.readouterr()
    for words, wrong in (
        ("did you mean 'p'", ["watch", "pp"]),
        ("no run of p by mezo", ["watch", "p", "-e", "mezo"]),
        (".gif or .mp4", ["watch", "p", "--film", "a.avi"]),
        ("there is no folder", ["watch", "p", "--film", "none/a.gif"]),
        ("episodes are numbered 1 to 3", ["watch", "p", "--episode", "4"]),
        ("episodes are numbered from 1", ["watch", "p", "--episode", "0"]),
        ("--seconds is the length of the film", ["watch", "p", "--seconds", "0"]),
        ("--seconds is the length of the film", ["watch", "p", "--seconds", "nan"]),
    ):
        assert status_of(wrong) == 2
        assert words in capfd.readouterr().err


def test_only_policies_can_be_watched(tmp_path, monkeypatch, capfd):
    pytest.importorskip("imageio")
    monkeypatch.chdir(tmp_path)
    path = suite(tmp_path, "dim = 3", objective="sphere", budget=10)
    assert status_of(["run", "spsa", "-s", str(path), "-j", "1"]) == 0
    assert status_of(["watch", "p"]) == 2
    assert "has no policy to watch" in capfd.readouterr().err


def test_the_bench_of_rollouts_replays_what_queries_do():
    from zobench.bench.rollouts import rollouts

    *_, (_, lines) = rollouts(["CartPole-v1"], 5)
    assert [line.env for line in lines] == ["CartPole-v1"] * 3 + ["CartPole-v1, whitened"] * 3
    assert all(line.seconds.median > 0.0 for line in lines)
    ours = lines[2]
    assert ours.seconds.ratio(ours.floor) < 3.0  # a broken loop, not a slow minute
    with pytest.raises(BadInput, match="repeats"):
        next(rollouts(["CartPole-v1"], 0))
