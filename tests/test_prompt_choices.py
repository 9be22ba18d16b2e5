"""Discrete prompts, label words by choice, and the policy gradient over them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_prompt_soft import TASK, by_hand

from zobench.core.directions import Dense, Noise
from zobench.core.problem import VectorProblem
from zobench.core.vector import VectorParams
from zobench.errors import BadInput
from zobench.estimators.bdpl import VERTEX, to_simplex
from zobench.objectives.llm import models
from zobench.objectives.prompt._choices import Choices
from zobench.objectives.prompt.discrete_prompt import DiscretePrompt, Verbaliser
from zobench.registry import estimators


def made(kind=DiscretePrompt, **settings):
    problem = kind(TASK, **{"tokens": 3, "candidates": 8, "shots": 6} | settings)
    problem.start(1)
    return problem


def at(problem, choice):
    """A probe at a choice, whatever the reading."""
    if problem.reading == "integer":
        x = np.array(choice, float)
    else:
        x = VERTEX * np.eye(problem.choices.candidates)[list(choice)].reshape(-1)
    return 1.0, Dense(x - problem.params.x)


@pytest.mark.parametrize("reading", ["largest", "sampled", "integer"])
@pytest.mark.parametrize("pool", ["task", "vocabulary"])
def test_a_choice_is_a_prompt_of_words(reading, pool):
    problem = made(reading=reading, pool=pool)
    chosen = (5, 0, 7)
    words = problem.words(np.array(chosen))
    assert len(set(words)) == 3
    assert problem.losses([at(problem, chosen)], 4)[0] == pytest.approx(
        by_hand(problem, " ".join(words)), abs=1e-5
    )


def test_how_points_are_read():
    largest = Choices(2, 3)
    assert largest.read(np.array([[0.0, 2.0, 1.0, 0.5, 0.5, 0.0]])).tolist() == [[1, 0]]
    integer = Choices(2, 3, "integer")
    assert integer.read(np.array([[-4.0, 1.6], [0.4, 9.0]])).tolist() == [[0, 2], [0, 2]]


def test_sampled_choices_follow_the_softmax_and_share_their_noise():
    choices = Choices(1, 3, "sampled")
    logits = np.log([[0.6, 0.3, 0.1]])
    drawn = [choices.read(np.repeat(logits, 2, 0), seed) for seed in range(3000)]
    assert all(a == b for (a,), (b,) in drawn)
    shares = np.bincount([a for (a,), _ in drawn], minlength=3) / 3000
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.04)
    assert choices.read(logits).tolist() == [[0]]  # the score: no noise


def test_equal_prompts_are_judged_once():
    problem, judged = made(), []
    judge = problem.judge
    problem.judge = lambda chosen, *rest: (judged.append(len(chosen)), judge(chosen, *rest))[1]
    probes = [at(problem, c) for c in [(0, 1, 2), (3, 3, 3), (0, 1, 2)]]
    first, _, again = problem.losses(probes, 0)
    assert (judged, first) == ([2], again)
    assert problem.forwards == 3  # three queries all the same


def test_a_verbaliser_is_a_task_with_other_label_words():
    problem = made(Verbaliser, candidates=30)
    assert problem.choices.slots == 2
    choice, losses = (4, 9), []
    net, tokenizer = models.load("tiny")
    for text, label in problem.task.train:
        with torch.no_grad():
            told = net(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits
        words = tokenizer(problem.words(np.array(choice)), add_special_tokens=False)["input_ids"]
        losses.append(float(-told[0, -1, [word[0] for word in words]].log_softmax(0)[label]))
    found = problem.losses([at(problem, choice)], 0)[0]
    assert found == pytest.approx(np.mean(losses), abs=1e-5)


def test_the_verbalisers_queries_run_no_model():
    problem = made(Verbaliser)
    problem.losses([(0.0, Noise(0))], 0)
    problem.frozen.net.forward = None
    problem.frozen.net.base_model.forward = None
    assert len(set(problem.losses([at(problem, (a, 3)) for a in range(8)], 0))) > 4


def test_a_minibatch_of_choices():
    problem = made(batch=4)
    assert problem.stochastic
    assert len({problem.losses([at(problem, (1, 2, 3))], s)[0] for s in range(6)}) > 3
    assert problem.samples == 24


def test_the_simplex_is_met_at_its_nearest_point():
    rng = np.random.default_rng(0)
    for _ in range(20):
        v = rng.normal(size=4) * 2
        p = to_simplex(v)
        assert p.sum() == pytest.approx(1.0)
        assert (p >= 0).all()
        others = rng.dirichlet(np.ones(4), 500)
        assert ((others - v) ** 2).sum(1).min() >= ((p - v) ** 2).sum() - 1e-12
    np.testing.assert_allclose(to_simplex(np.array([0.2, 0.5, 0.3])), [0.2, 0.5, 0.3])


class Table(VectorProblem):
    """A loss for each choice of two slots of three candidates."""

    def __init__(self, table):
        self.choices = Choices(2, 3)

        def f(points):
            a, b = self.choices.read(points).T
            return table[a, b]

        super().__init__(f, lambda rng: np.zeros(6))

    def start(self, seed):
        self.params = self.choices.params(np.zeros(2))
        return self.params


def test_bdpls_estimate_is_unbiased():
    """Its mean is twice the exact gradient of the expected loss within the simplex."""
    table = np.random.default_rng(1).normal(size=(3, 3))
    p = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    steps = []
    for seed in range(1500):
        problem = Table(table)
        params = problem.start(0)
        estimator = estimators["bdpl"].build({"lr": 1e-6, "n": 4})
        estimator.start(params, seed)
        params.add(1.0, Dense(p.reshape(-1) - params.x))
        estimator.step(lambda probes, problem=problem: problem.losses(probes, 0))
        steps.append((params.x - p.reshape(-1)) / -1e-6)
    # d E[f] / dp_ij = E[f | j_i = j], of which the projection leaves what sums to 0.
    exact = np.stack([table @ p[1], p[0] @ table])
    wanted = 2.0 * (exact - exact.mean(1, keepdims=True))
    found = np.mean(steps, 0).reshape(2, 3)
    error = np.std(steps, 0).reshape(2, 3) / len(steps) ** 0.5
    assert (np.abs(found - wanted) < 4.5 * error + 1e-3).all()


def test_bdpl_finds_the_best_of_a_table():
    table = np.array([[1.0, 0.8, 0.9], [0.7, 0.6, 0.1], [0.9, 0.8, 0.7]])
    problem = Table(table)
    estimator = estimators["bdpl"].build({"lr": 0.05, "n": 10})
    estimator.start(problem.start(0), 1)
    np.testing.assert_allclose(problem.params.x, 1 / 3)
    for _ in range(60):
        estimator.step(lambda probes: problem.losses(probes, 0))
        sums = problem.params.x.reshape(2, 3).sum(1)
        np.testing.assert_allclose(sums, 1.0)
    assert problem.choices.read(problem.params.x[None]).tolist() == [[1, 2]]


def test_bdpl_moves_choices_and_what_is_beside_them():
    """A mixed point: one choice, and two coordinates with an optimum at 1."""

    class Mixed(VectorProblem):
        def start(self, seed):
            self.params = VectorParams(np.zeros(5), [(3,), (2,)])
            groups = Choices(1, 3).params(np.zeros(1)).groups
            self.params.groups = (*groups, self.params.groups[1])
            return self.params

    problem = Mixed(
        lambda x: (x[:, :3].argmax(1) != 2) + ((x[:, 3:] - 1.0) ** 2).sum(1),
        lambda rng: np.zeros(5),
    )
    estimator = estimators["bdpl"].build({"lr": 0.05})
    estimator.start(problem.start(0), 1)
    for _ in range(80):
        estimator.step(lambda probes: problem.losses(probes, 0))
    assert problem.params.x[:3].argmax() == 2
    np.testing.assert_allclose(problem.params.x[3:], 1.0, atol=0.2)


@pytest.mark.parametrize(
    ("name", "settings", "reading"),
    [
        ("bdpl", {"lr": 0.05, "n": 10}, "largest"),
        ("cma-es", {"sigma": 3.0}, "integer"),
        ("zo-adam", {"lr": 0.3, "eps": 1.0, "n": 5}, "sampled"),
    ],
)
def test_estimators_find_better_words(name, settings, reading):
    """Than four out of five random prompts."""
    pytest.importorskip(estimators[name].needs or "numpy")
    problem = made(reading=reading, candidates=20, tokens=4)
    random = np.random.default_rng(0).integers(20, size=(60, 4))
    usual = problem.losses([at(problem, choice) for choice in random], 0)
    problem.forwards, call = 0, 0
    estimator = estimators[name].build(settings)
    estimator.start(problem.params, 1)
    while problem.forwards < 400:
        call += 1
        estimator.step(lambda probes, call=call: problem.losses(probes, call))
    now = problem.choices.read(problem.params.x[None])[0]
    assert problem.losses([at(problem, now)], 0)[0] < np.quantile(usual, 0.2)


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (DiscretePrompt, {"reading": "larges"}, "did you mean 'largest'"),
        (DiscretePrompt, {"pool": "words"}, "no pool named 'words'"),
        (DiscretePrompt, {"tokens": 0}, "tokens is"),
        (DiscretePrompt, {"candidates": 1}, "candidates is"),
        (Verbaliser, {"loss": "mse"}, "no loss named"),
    ],
)
def test_wrong_settings_give_one_line(kind, settings, said):
    with pytest.raises(BadInput, match=said) as error:
        made(kind, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("setting", "value"), [("n", 1), ("eps", 0.0)])
def test_bdpl_refuses(setting, value):
    with pytest.raises(BadInput, match=f"{setting} is a"):
        estimators["bdpl"].build({setting: value})
