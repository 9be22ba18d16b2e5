"""Policies: rollouts as a bare loop makes them, whitening, seeds, workers."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from zobench.core.directions import Dense, Noise
from zobench.errors import BadInput
from zobench.objectives.rl._policy import FEW, Shape, acting
from zobench.objectives.rl._scoring import evaluation_seeds
from zobench.objectives.rl._whitening import ROWS, Moments, recording
from zobench.objectives.rl.problem import PolicySearch

gymnasium = pytest.importorskip("gymnasium")
environments = pytest.importorskip("rl_environments")
Line = environments.Line


def searched(env="CartPole-v1", seed=1, **settings):
    problem = PolicySearch(env, **settings)
    problem.start(seed)
    return problem


def probes(count=4, scale=0.5):
    return [(scale, Noise(20 + k)) for k in range(count)]


def place(problem, x):
    """Move the policy to x."""
    problem.params.update(problem.params.blocks[0], np.asarray(x, float) - problem.params.x)


def loop(env, weights, seed, act):
    """(return, observations acted on) of the plainest loop, with gymnasium's own wrappers."""
    obs, _ = env.reset(seed=seed)
    total, seen, over = 0.0, [], False
    while not over:
        seen.append(np.array(obs, float))
        obs, reward, terminated, truncated, _ = env.step(act(weights @ obs))
        total, over = total + float(reward), terminated or truncated
    return total, seen


@pytest.mark.parametrize("name", ["CartPole-v1", "Acrobot-v1", "Pendulum-v1"])
def test_losses_and_scores_are_those_of_a_bare_loop(name):
    problem, env = searched(name, score_episodes=2, episodes=2), gymnasium.make(name)
    space = env.action_space
    shape = problem.params.blocks[0].shape

    def act(outputs):
        if hasattr(space, "n"):
            return int(np.argmax(outputs))
        return np.clip(outputs, space.low, space.high).astype(np.float32)

    losses = problem.losses(probes(2), 5)
    steps = 0
    for loss, row in zip(losses, problem.params.rows(probes(2)).copy()):
        found = [loop(env, row.reshape(shape), s, act) for s in problem.training_seeds(0)]
        assert loss == -sum(total for total, _ in found) / 2
        steps += sum(len(seen) for _, seen in found)
    assert (problem.samples, problem.forwards) == (steps, 4)
    place(problem, 0.3 * np.arange(problem.params.size))
    weights = problem.params.x.reshape(shape)
    totals = [loop(env, weights, s, act)[0] for s in evaluation_seeds("score", 2)]
    assert problem.score()["loss"] == -sum(totals) / 2


@pytest.mark.parametrize("settings", [
    {"env": "CartPole-v1", "whiten": True, "seeds": "fresh"},
    {"env": Line, "whiten": True, "hidden": [5], "action_noise": 0.3, "episodes": 2},
])  # fmt: skip
def test_processes_give_the_bits_of_one_by_one(settings):
    def everything(workers):
        problem = searched(workers=workers, **settings, score_episodes=5, test_episodes=3)
        problem.warm_up()
        losses = [problem.losses(probes(5), seed) for seed in (1, 2)]
        facts = problem.describe()
        return losses, problem.score(), problem.finish(), problem.samples, facts

    assert everything(1) == everything(2) == everything(3)


def test_a_process_that_dies_is_told_and_replaced():
    problem = searched(environments.Dying, workers=2, cap=3)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="died, exit status 3"):
            problem.losses(probes(), 1)
    assert problem.samples == 0


def test_an_error_in_a_process_says_what_and_where():
    problem = searched(environments.Raising, workers=2)
    with pytest.raises(RuntimeError, match=r"ZeroDivisionError: .* \(rl_environments.py:\d+\)"):
        problem.losses(probes(), 1)


def test_seeds_are_common_fresh_or_fixed():
    same = [(0.5, Noise(3))] * 3
    common, fresh, fixed = (searched(Line, seeds=s) for s in ("common", "fresh", "fixed"))
    assert len(set(common.losses(same, 1))) == 1
    assert common.losses(same, 1) != common.losses(same, 2)
    assert len(set(fresh.losses(same, 1))) == 3
    assert fresh.losses(same, 1) == fresh.losses(same, 1)
    assert fixed.losses(same, 1) == fixed.losses(same, 2)
    assert fixed.losses(same, 1) != searched(Line, seed=2, seeds="fixed").losses(same, 1)
    assert [p.stochastic for p in (common, fresh, fixed)] == [True, True, False]


def test_training_never_sees_the_episodes_that_score():
    problem = searched(Line, episodes=5, seeds="fresh")
    trained = set()
    for call in range(200):
        problem.call = call
        trained |= {*problem.training_seeds(0), *problem.training_seeds(1)}
    assert len(trained) == 2000
    score, test = set(evaluation_seeds("score", 100)), set(evaluation_seeds("test", 100))
    assert len(score | test) == 200
    assert all(seed % 2 == 0 for seed in trained)
    assert all(seed % 2 == 1 for seed in score | test)


def test_a_shift_is_for_training_and_a_cap_too():
    plain, shifted = searched(Line, cap=20), searched(Line, cap=20, shift=0.25)
    np.testing.assert_allclose(
        np.array(shifted.losses(probes(), 1)) - plain.losses(probes(), 1), 0.25 * 20
    )
    assert plain.score() == shifted.score()
    known = searched("Pendulum-v1", cap=20, score_episodes=1)
    known.losses(probes(1), 1)
    assert known.samples == 20
    assert known.score()["steps"] == 200


def pushed(outputs):
    return np.clip(outputs, -1.0, 1.0).astype(np.float32)


def test_whitening_is_by_the_moments_of_all_observations_so_far():
    problem = searched(Line, whiten=True)
    problem.warm_up()
    assert problem.moments.count == 0
    problem.losses(probes(3), 1)
    moments = problem.moments
    assert moments.count == problem.samples == 90
    env, seen = Line(), []
    seed = problem.training_seeds(0)[0]
    for row in problem.params.rows(probes(3)):
        seen += loop(env, row[None], seed, pushed)[1]
    np.testing.assert_allclose(moments.mean, np.mean(seen, axis=0), rtol=1e-12)
    std = np.std(seen, axis=0, ddof=1)
    np.testing.assert_allclose(moments.scale, [1 / std[0], 0.0, 1 / std[2]], rtol=1e-9)
    problem.score()
    assert problem.moments is moments
    losses = problem.losses(probes(3), 2)  # one policy for all, by the moments before the call
    seed = problem.training_seeds(0)[0]
    for loss, row in zip(losses, problem.params.rows(probes(3)).copy()):
        weights = row * moments.scale

        def act(out, shift=weights @ moments.mean):
            return pushed(out - shift)

        np.testing.assert_allclose(loss, -loop(env, weights[None], seed, act)[0], rtol=1e-6)
    assert problem.moments.count == 180
    facts = problem.describe()["whitening"]
    assert facts["count"] == 180
    assert facts["mean"] == problem.moments.mean.tolist()


def test_a_call_that_raises_adds_nothing():
    problem = searched(environments.NanReward, whiten=True)
    with pytest.raises(Exception, match="added up to nan"):
        problem.losses(probes(), 1)
    assert problem.moments.count == problem.samples == 0


def test_moments_merge_as_if_they_were_one():
    rng = np.random.default_rng(0)
    rows = 100.0 + rng.standard_normal((50, 4))
    merged = Moments.none(4)
    for part in (rows[:1], rows[1:20], rows[20:]):
        merged = merged.plus(Moments.from_rows(part))
    np.testing.assert_allclose(merged.mean, rows.mean(axis=0))
    np.testing.assert_allclose(1 / merged.scale, rows.std(axis=0, ddof=1))
    assert merged.plus(Moments.none(4)).count == 50


@pytest.mark.parametrize("few", [False, True])
def test_however_many_observations_are_all_noted(few):
    rng = np.random.default_rng(0)
    seen = rng.standard_normal((2 * ROWS + 5, 2)).astype(np.float32)
    act, moments = recording(lambda obs: obs, 2, few)
    given = np.empty(2, np.float32)
    for obs in seen:
        given[:] = obs  # one array for all, as an environment may do it
        np.testing.assert_array_equal(act(given), obs)
    found, wanted = moments(), Moments.from_rows(seen.astype(float))
    assert found.count == len(seen)
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-12)
    np.testing.assert_allclose(found.squares, wanted.squares, rtol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("white", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(3, 1), (4, 2), (FEW, 1), (FEW + 1, 1), (9, 4)])
def test_a_policy_written_out_is_the_product(inputs, outputs, bias, white):
    rng = np.random.default_rng(inputs)
    shape = Shape(inputs, (), outputs, bias)
    x, obs = rng.standard_normal(outputs * (inputs + bias)), rng.standard_normal(inputs)
    moments = Moments.from_rows(5.0 + 3.0 * rng.standard_normal((20, inputs))) if white else None
    block = x.reshape(outputs, -1)
    there = (obs - moments.mean) * moments.scale if moments else obs
    wanted = block[:, :inputs] @ there + (block[:, -1] if bias else 0.0)
    forward = shape.outputs_at(x, moments)
    for given in (obs, list(obs), obs.astype(np.float32)):
        np.testing.assert_allclose(forward(given), wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(forward(obs), wanted, rtol=1e-12, atol=1e-12)
    assert all(type(value) is float for value in forward(obs))


def test_a_network_is_that_of_torch_and_its_layers_are_groups():
    torch = pytest.importorskip("torch")
    problem = searched("Pendulum-v1", hidden=[16, 8])
    assert [group.name for group in problem.params.groups] == ["layer1", "layer2", "layer3"]
    assert [block.shape for block in problem.params.blocks] == [(16, 4), (8, 17), (1, 9)]
    x = np.random.default_rng(0).standard_normal(problem.params.size)
    inputs, layers = torch.tensor([0.3, -0.2, 1.5], dtype=torch.float64), []
    for block in problem.params.blocks:
        values = torch.tensor(x[block.span].reshape(block.shape))
        layer = torch.nn.Linear(block.shape[1] - 1, block.shape[0], dtype=torch.float64)
        layer.weight.data, layer.bias.data = values[:, :-1], values[:, -1]
        layers += [layer, torch.nn.Tanh()]
    wanted = torch.nn.Sequential(*layers[:-1])(inputs).detach().numpy()
    found = problem.shape.outputs_at(x, None)(inputs.numpy())
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_every_policy_starts_with_the_action_of_zero():
    for settings in ({}, {"hidden": [16]}, {"bias": True}):
        problem = searched("Pendulum-v1", **settings)
        forward = problem.shape.outputs_at(problem.params.x, None)
        assert forward(np.ones(3)) == [0.0]


def test_stochastic_actions_have_the_probabilities_they_should():
    outputs, space = [0.0, 1.0, -0.5], gymnasium.spaces.Discrete(3)
    act = acting(lambda obs: outputs, space, 0.5, 7)
    counts = np.bincount([act(None) for _ in range(20_000)], minlength=3)
    softmax = np.exp(2.0 * np.array(outputs)) / np.exp(2.0 * np.array(outputs)).sum()
    np.testing.assert_allclose(counts / 20_000, softmax, atol=0.015)
    box = gymnasium.spaces.Box(-1.0, 2.0, (2,))
    act = acting(lambda obs: [0.5, 5.0], box, 0.2, 7)
    actions = np.array([act(None) for _ in range(5000)])
    np.testing.assert_allclose(actions[:, 0].std(), 0.2, rtol=0.05)
    assert (actions[:, 1] == 2.0).all()
    assert box.contains(act(None))
    again = acting(lambda obs: [0.5, 5.0], box, 0.2, 7)
    assert np.array_equal(actions, [again(None) for _ in range(5000)])


def test_scores_are_without_the_noise_of_actions():
    quiet, noisy = searched(Line), searched(Line, action_noise=0.5)
    assert quiet.score() == noisy.score()
    assert quiet.losses(probes(), 1) != noisy.losses(probes(), 1)
    assert noisy.losses(probes(), 1) == noisy.losses(probes(), 1)


def evaluations(problem, monkeypatch):
    """A list that grows with every evaluation of the policy."""
    made, evaluation = [], problem.evaluation
    monkeypatch.setattr(
        problem, "evaluation", lambda *which: made.append(which) or evaluation(*which)
    )
    return made


@pytest.mark.parametrize("whiten", [False, True])
def test_a_policy_is_scored_once(whiten, monkeypatch):
    problem = searched(Line, whiten=whiten)
    rolled = evaluations(problem, monkeypatch)
    first = problem.score()
    first["loss"] = 7.0  # who asked may do with it as they please
    assert problem.score() == searched(Line, whiten=whiten).score()
    assert len(rolled) == 1
    problem.losses(probes(), 1)  # other moments are another policy
    problem.score()
    assert len(rolled) == 1 + whiten
    place(problem, problem.params.x + 1.0)
    moved = problem.score()
    assert len(rolled) == 2 + whiten
    problem.start(1)
    assert problem.score() != moved
    assert len(rolled) == 3 + whiten


def test_where_episodes_do_not_repeat_each_score_is_new(monkeypatch):
    problem = searched(environments.Unseeded)
    rolled = evaluations(problem, monkeypatch)
    problem.score()
    problem.score()
    assert len(rolled) == 2


def test_other_spaces_are_flattened_or_refused():
    problem = searched(environments.Dictionary)
    assert problem.params.blocks[0].shape == (3, 3 + 4)
    losses = problem.losses(probes(6), 1)
    assert len(set(losses)) > 1  # actions 5, 6 and 7 push to the left, not at all, to the right
    with pytest.raises(BadInput, match="Several has actions of MultiDiscrete"):
        searched(environments.Several)
    whole = gymnasium.spaces.Box(0, 10, (2, 1), np.int64)
    action = acting(lambda obs: [3.6, 99.0], whole, 0.0, 0)(None)
    assert action.tolist() == [[4], [10]]
    assert whole.contains(action)


def test_what_reset_leaves_behind_is_found_out():
    clean, left, unseeded = (
        searched(env) for env in (Line, environments.Leftover, environments.Unseeded)
    )
    assert [p.roller.renew for p in (clean, left, unseeded)] == [False, True, True]
    assert [p.repeatable for p in (clean, left, unseeded)] == [True, True, False]
    assert left.losses(probes(), 1) == left.losses(probes()[::-1], 1)[::-1]
    assert left.describe()["renewed"]


@pytest.mark.parametrize("name", ["LunarLanderContinuous-v3", "BipedalWalker-v3", "Swimmer-v5"])
def test_episodes_do_not_depend_on_those_before(name):
    pytest.importorskip("mujoco" if name.startswith("Swimmer") else "Box2D")
    problem, other = (searched(name, cap=150) for _ in range(2))
    losses = problem.losses(probes(), 3)
    assert problem.losses(probes()[::-1], 3)[::-1] == losses
    assert [other.losses([probe], 3)[0] for probe in probes()] == losses


@pytest.mark.parametrize(("settings", "words"), [
    ({"env": "CartPol-v1"}, "no environment .* did you mean 'CartPole-v1'"),
    ({"env": "CartPole-v99"}, "did you mean 'CartPole-v"),
    ({"env": "no_such_module:CartPole-v1"}, "no_such_module"),
    ({"hidden": [0]}, "hidden lists sizes"),
    ({"episodes": 0}, "^episodes is a whole number of at least 1, not 0$"),
    ({"workers": 0}, "^workers is a whole number of at least 1"),
    ({"cap": -1}, "^cap is a whole number of at least 0"),
    *(({name: value}, rf"^{name} is a whole number of at least \d, not {value}$")
      for name in ("episodes", "workers", "cap", "score_episodes", "test_episodes")
      for value in (None, 2.5)),
    ({"hidden": None}, "^hidden lists sizes"),
    ({"hidden": 16}, "^hidden lists sizes"),
    *(({"action_noise": value}, "^action_noise") for value in (-1.0, float("nan"), None)),
    *(({"shift": value}, "^shift is a number") for value in (float("inf"), None)),
    ({"seeds": "comon"}, "did you mean 'common'"),
])  # fmt: skip
def test_wrong_settings_are_one_clear_line(settings, words):
    with pytest.raises(BadInput, match=words) as error:
        PolicySearch(**({"env": "CartPole-v1"} | settings))
    assert "\n" not in str(error.value)


def test_options_reach_the_environment_or_are_refused():
    problem = searched("Pendulum-v1", options={"g": 1.0})
    assert problem.roller.env.unwrapped.g == 1.0
    with pytest.raises(BadInput, match="options do not fit Pendulum-v1"):
        searched("Pendulum-v1", options={"gravity": 1.0})


def test_dense_directions_and_the_point_agree():
    """A probe of a policy is the policy moved."""
    problem = searched("Pendulum-v1", cap=40)
    x = np.array([0.5, -1.0, 0.2])
    loss = problem.losses([(2.0, Dense(x))], 3)[0]
    place(problem, 2.0 * x)
    assert problem.losses([(0.0, Noise(0))], 3) == [loss]


def test_shapes_hold_biases_as_a_last_column():
    shape = Shape(3, (), 2, True)
    assert shape.blocks == [(2, 4)]
    x = np.arange(8.0)
    np.testing.assert_array_equal(
        shape.outputs_at(x, None)(np.array([1.0, 10.0, 100.0])), [213.0, 661.0]
    )


class Paid(Line):
    """300 steps; the reward of each is 10.01, as some type has it."""

    length = 300
    cast = float

    def reward(self):
        return type(self).cast(10.01)


def rewards():
    yield from (float, np.float64, np.float32, np.float16, np.longdouble)
    yield lambda r: np.array(r, np.float32)
    yield lambda r: np.array([r], np.float16)
    yield lambda r: np.array([[r]])
    yield lambda r: True
    yield lambda r: np.int8(r)
    yield lambda r: 1
    if importlib.util.find_spec("torch"):
        import torch

        for kind in (torch.float32, torch.float16, torch.bfloat16, torch.int64):
            yield lambda r, kind=kind: torch.tensor(r, dtype=kind)
        yield lambda r: torch.tensor([r], dtype=torch.bfloat16, requires_grad=True)


@pytest.mark.parametrize("whiten", [False, True])
def test_returns_are_sums_of_64_bits_whatever_the_type_of_rewards(whiten):
    for cast in rewards():
        made = type("Made", (Paid,), {"cast": staticmethod(cast)})
        problem = searched(made, score_episodes=1, whiten=whiten)
        one = cast(10.01)
        exact = 300 * float(one.item() if hasattr(one, "item") else one)
        assert problem.score()["return"] == pytest.approx(exact, rel=1e-12)
        assert problem.losses(probes(1), 1) == pytest.approx([-exact], rel=1e-12)


@pytest.mark.parametrize(
    "reward",
    [
        *(None, "1", b"1", np.ones(2), np.ones(0), 1j, [1.0], np.array("1"), {"r": 1.0}, 10**400),
        *(np.ma.masked, np.ma.masked_array([1.0], mask=[True])),
    ],
)
def test_a_reward_that_is_not_one_number_is_told(reward):
    made = type("Made", (Line,), {"reward": lambda self: reward})
    with pytest.raises(BadInput, match=r"^Made: step gave the reward .*, which is not a number$"):
        searched(made).score()


@pytest.mark.parametrize(
    "flag",
    [
        *(np.zeros(2, bool), np.ones(2, bool), np.zeros(0), [False], [], (), None, "False", ""),
        *(float("nan"), 2, np.ma.masked, {"over": False}),
    ],
)
@pytest.mark.parametrize("place", [2, 3])
def test_an_end_that_is_neither_true_nor_false_is_told(flag, place):
    def step(self, action):
        got = list(Line.step(self, action))
        got[place] = flag
        return tuple(got)

    what = {2: "terminated", 3: "truncated"}[place]
    made = type("Made", (Line,), {"step": step})
    with pytest.raises(BadInput, match=rf"^Made: step gave {what} as .*, which is not True or Fal"):
        searched(made).score()


@pytest.mark.parametrize("cast", [np.bool_, int, float, np.array, lambda f: np.array([[f]])])
def test_an_end_of_any_type_is_the_end(cast):
    def step(self, action):
        got = list(Line.step(self, action))
        return (*got[:2], cast(got[2]), cast(got[3]), None)

    made = type("Made", (Line,), {"step": step})
    assert searched(made).score() == searched(Line).score()


def masked(obs, at=None):
    return np.ma.masked_array(obs, np.arange(3) == at)


OBSERVATIONS = {
    "masked": (lambda obs: masked(obs, 1), "have masked entries"),
    "unequal": (lambda obs: [1.0, [2.0, 3.0], 4.0], "are not numbers"),
    "complex": (lambda obs: obs + 1j, "are not numbers"),
    "words": (lambda obs: obs.astype(str), "are not numbers"),
    "one axis more": (lambda obs: obs[None], r"of shape \(1, 3\)"),
    "none": (lambda obs: None, r"of shape \(\)"),
}


@pytest.mark.parametrize("kind", OBSERVATIONS)
@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("given", [{}, {"whiten": True}, {"hidden": (4,)}], ids=str)
def test_observations_that_are_no_vector_are_told(kind, first, given):
    change, words = OBSERVATIONS[kind]

    def observe(self):
        obs = Line.observe(self)
        return change(obs) if self.steps >= first else obs

    made, giver = type("Made", (Line,), {"observe": observe}), "step" if first else "reset"
    problem = searched(made, **given)
    with pytest.raises(BadInput, match=rf"^Made: {giver} gave observations (that )?{words}"):
        problem.losses(probes(1), 1)


@pytest.mark.parametrize("given", [{}, {"whiten": True}, {"hidden": (4,)}], ids=str)
@pytest.mark.parametrize("kind", ["masked", "list", "torch", "gradient", "16 bits"])
def test_observations_of_any_type_are_the_numbers(kind, given):
    torch = pytest.importorskip("torch")
    change = {
        "masked": masked,
        "list": np.ndarray.tolist,
        "torch": torch.tensor,
        "gradient": lambda obs: torch.tensor(obs, requires_grad=True),
        "16 bits": lambda obs: torch.tensor(obs, dtype=torch.bfloat16),
    }[kind]
    losses = []
    for cast in (change, np.array):

        def observe(self, cast=cast):
            return cast(np.round(Line.observe(self)))

        made = type("Made", (Line,), {"observe": observe})
        losses.append(searched(made, **given).losses(probes(1), 1))
    assert losses[0] == losses[1]


class Old(Line):
    def reset(self):
        return super().reset(seed=3)[0]


class Pair(Line):
    """Of two numbers; `reset` gives them alone, as gym did."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2)


class Keyed(environments.Dictionary):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class Mute(Line):
    def step(self, action):
        return None


class Beyond(Line):
    observation_space = gymnasium.spaces.Discrete(3)

    def observe(self):
        return 3


def of(space):
    return type("Made", (Line,), {"observation_space": space})


SPACES = gymnasium.spaces
FLAT = "^Made has observations of .* no fixed number of entries: give an observation_space of Box"


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (Line(), "^env is a class or a function that makes an environment, not an environment: "
                 "give Line, or a function that returns a new one$"),
        (gymnasium.wrappers.TimeLimit(Line(), 5), "not an environment: give TimeLimit"),
        (None, "^env is an id of gymnasium, or a class or a function .*, not None$"),
        (lambda length: Line(), "^env is called without arguments, but .* needs length"),
        (lambda **more: Line, "made the class Line, not an environment of it$"),
        (Old, r"^Old: its reset takes no seed, as in gym before 0.26: write it as .*seed=None"),
        (Pair, r"^Pair: reset gave array\(.*, not a tuple of \(obs, info\)$"),
        (Mute, r"^Mute: step gave None, not a tuple of \(obs, reward"),
        (Keyed, r"^Keyed: reset gave a dict, not a tuple of \(obs, info\)$"),
        (of(None), "^Made has the observation_space None, which is not a gymnasium space$"),
        (Beyond, r"^Beyond: reset gave the observation 3, which does not fit Discrete\(3\)$"),
        (of(SPACES.Sequence(SPACES.Discrete(2))), FLAT),
        (of(SPACES.Graph(SPACES.Box(0, 1, (2,)), None)), FLAT),
        (of(SPACES.Dict({"a": SPACES.Sequence(SPACES.Discrete(2))})), FLAT),
    ],
)  # fmt: skip
def test_an_environment_that_does_not_fit_is_told_in_one_sentence(env, words):
    with pytest.raises(BadInput, match=words) as error:
        searched(env).score()
    assert "\n" not in str(error.value)


def test_each_output_of_a_linear_policy_may_be_a_group():
    whole, apart = (PolicySearch("CartPole-v1", bias=True, by_output=by) for by in (False, True))
    names = [[group.name for group in p.start(0).groups] for p in (whole, apart)]
    assert names == [["layer1"], ["output1", "output2"]]
    assert [b.shape for b in apart.params.blocks] == [(5,), (5,)]
    probes = [(1.0, Dense(np.linspace(-1, 1, 10)))]
    assert whole.losses(probes, 3) == apart.losses(probes, 3)
    with pytest.raises(BadInput, match="by_output is for a linear policy"):
        PolicySearch("CartPole-v1", hidden=[4], by_output=True)
