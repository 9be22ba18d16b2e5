"""Soft prompts: what the model reads, that it never moves, and what probes of a call share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zobench.bench.prompts import prompts
from zobench.core.directions import Dense, Noise
from zobench.errors import BadInput
from zobench.objectives.llm import models
from zobench.objectives.llm.tasks import Task, generated
from zobench.objectives.prompt._losses import accuracies, mean_losses
from zobench.objectives.prompt._rows import few_shot
from zobench.objectives.prompt._space import clipped_deviation
from zobench.objectives.prompt.soft_prompt import SoftPrompt
from zobench.registry import estimators

TASK = generated("sentiment", sizes=(100, 60, 60))
PROBES = [(0.5, Noise(k)) for k in range(5)]


def made(task=TASK, **settings):
    problem = SoftPrompt(task, **{"tokens": 5, "shots": 4} | settings)
    problem.start(1)
    return problem


def by_hand(problem, words):
    """Mean loss of a prompt of words, read as plain text, one sequence an example, no padding."""
    net, tokenizer = models.load("tiny")
    labels = tokenizer(problem.task.label_words, add_special_tokens=False)["input_ids"]
    losses = []
    for text, label in problem.task.train:
        ids = tokenizer(f"{words} {text}", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            scores = net(input_ids=ids).logits[0, -1, [word[0] for word in labels]]
        losses.append(float(-scores.log_softmax(0)[label]))
    return float(np.mean(losses))


@pytest.mark.parametrize("settings", [{}, {"intrinsic": 7}, {"deep": True}])
def test_the_first_prompt_is_text(settings):
    """Also with deep prompts, whose zeros change nothing."""
    words = "the film and the story"
    problem = made(init=words, **settings)
    assert problem.losses([(0.0, Noise(0))], 0)[0] == pytest.approx(
        by_hand(problem, words), abs=1e-5
    )


def test_words_drawn_by_the_instance_are_text_too():
    problem = made(instance=3)
    words = problem.frozen.tokenizer.convert_ids_to_tokens(problem.first.tolist())
    # marks and words of the model's own vocabulary: joined by spaces they are themselves again
    assert problem.losses([(0.0, Noise(0))], 0)[0] == pytest.approx(
        by_hand(problem, " ".join(words)), abs=1e-5
    )
    assert problem.first.tolist() != made(instance=4).first.tolist()


def test_no_gradient_is_taken_and_no_weight_moves():
    problem = made(tokens=3, deep=True)
    net, graphs = problem.frozen.net, []
    before = models.content_hash(net.state_dict())
    problem.frozen.passes.stack[-1].register_forward_hook(
        lambda *_: graphs.append(torch.is_grad_enabled() or not torch.is_inference_mode_enabled())
    )
    estimator = estimators["mezo"].build({"lr": 0.01, "eps": 0.1})
    estimator.start(problem.params, 1)
    for _ in range(3):
        estimator.step(lambda probes: problem.losses(probes, 0))
    problem.score(), problem.finish()
    assert graphs
    assert not any(graphs)
    assert not any(p.requires_grad or p.grad is not None for p in net.parameters())
    assert models.content_hash(net.state_dict()) == before


def test_the_prompt_with_the_best_dev_accuracy_is_tested_beside_the_last():
    problem = made(tokens=4, intrinsic=5, dev_shots=16)
    dev, points = [], []
    for seed in range(6):
        problem.params.add(3.0, Noise(10 + seed))
        dev.append(problem.score()["accuracy"])
        points.append(problem.params.x.copy())
    best = points[int(np.argmax(dev))]  # the first of equals
    assert 0 < int(np.argmax(dev)) < 5, "the seeds no longer tell first, best and last apart"
    told = problem.finish()
    loss, accuracy = problem.judged("test", best)
    assert (told["best_dev_test_loss"], told["best_dev_test_accuracy"]) == (loss, accuracy)
    assert (told["test_loss"], told["test_accuracy"]) == problem.judged("test")
    assert told["test_loss"] != loss
    problem.start(0)
    assert problem.finish()["best_dev_test_loss"] == problem.judged("test")[0]  # of no other run


@pytest.mark.parametrize("settings", [{}, {"intrinsic": 6, "deep": True}])
def test_a_call_is_its_points_one_by_one(settings):
    problem = made(**settings)
    together = problem.losses(PROBES, 0)
    np.testing.assert_allclose(
        together, [problem.losses([p], 0)[0] for p in PROBES], rtol=0, atol=1e-6
    )
    assert len(set(together)) == len(PROBES)
    problem.frozen.passes.pass_bytes = 1  # one text a forward pass
    np.testing.assert_allclose(problem.losses(PROBES, 0), together, rtol=0, atol=1e-6)


@pytest.mark.parametrize("deep", [False, True])
def test_prompts_run_apart_from_texts_as_well_as_with_them(deep):
    problem = made(deep=deep)
    passes, batch = problem.frozen.passes, problem.frozen.split("train")
    prompts = problem.space.prompts(problem.params.rows(PROBES))
    owner = torch.arange(8) % 5
    assert passes.shares(batch)
    with torch.inference_mode():
        kept = passes.before(prompts, batch)
        whole = passes.full_scores(prompts, batch, owner)
        for _ in range(2):  # what is kept serves again
            apart = passes.after(kept, batch, owner)
            torch.testing.assert_close(apart, whole, rtol=1e-4, atol=1e-4)
        if deep:  # and the second layer's additions are read at all
            flat = prompts.clone()
            flat[:, 1] = 0.0
            assert not torch.allclose(passes.full_scores(flat, batch, owner), whole, atol=1e-3)


def test_texts_of_like_length_share_passes_and_keep_their_places():
    """Every chunk size gives the table that prompts and texts give one by one."""
    problem = made(shots=10)
    passes, batch = problem.frozen.passes, problem.frozen.split("train")
    prompts = problem.space.prompts(problem.params.rows(PROBES))
    with torch.inference_mode():
        wanted = torch.stack([
            passes.full_scores(prompts, batch, torch.full((20,), i)) for i in range(5)
        ])  # fmt: skip
        assert passes.shares(batch)  # it looked
    widths = []
    passes.net.base_model.register_forward_pre_hook(
        lambda _, __, named: widths.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    for pass_bytes in (1, 30_000, 200_000, 1 << 24):
        widths.clear()
        passes.pass_bytes = pass_bytes
        found = passes.scores(prompts, batch)
        torch.testing.assert_close(found, wanted.double(), rtol=1e-4, atol=1e-4)
        texts = [shape for shape in widths if shape[1] != passes.ends]
        assert sum(rows for rows, _ in texts) == 100
        assert all(
            rows * width * 4 * 64 * 4 <= max(pass_bytes, width * 1024) for rows, width in texts
        )
    assert len(texts) == 1


def test_the_states_of_a_layer_set_the_scale_of_its_prompts():
    problem = made(deep=True)
    net, words = problem.frozen.net, problem.first.tolist()
    states = []
    for text, _ in problem.task.train:
        ids = problem.frozen.tokenizer(text, return_tensors="pt")["input_ids"]
        ids = torch.cat([ids[:, :1], torch.tensor([words]), ids[:, 1:]], 1)
        with torch.no_grad():
            states.append(net(input_ids=ids, output_hidden_states=True).hidden_states[1][0])
    wanted = clipped_deviation(torch.cat(states))
    assert problem.space.scales[1] == pytest.approx(wanted, rel=1e-4)


def test_label_words_of_several_tokens():
    task = Task("pairs", ["very good", "bad"], [("it was", 0), ("the film was", 1)] * 8, *[
        [("a story was", 0), ("it was", 1)]] * 2)  # fmt: skip
    problem = made(task, shots=0, init="the film and a story")
    assert not problem.frozen.passes.shares(problem.frozen.split("train"))
    together = problem.losses(PROBES, 0)
    np.testing.assert_allclose(
        together, [problem.losses([p], 0)[0] for p in PROBES], rtol=0, atol=1e-6
    )
    net, tokenizer = models.load("tiny")
    scores = []
    for word in task.label_words:  # mean log-probability of the word's tokens, text read plainly
        text = "the film and a story it was"
        start = len(tokenizer(text)["input_ids"])
        ids = tokenizer(f"{text} {word}", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            told = net(input_ids=ids).logits[0].log_softmax(-1)
        scores.append(float(np.mean([told[i - 1, ids[0, i]] for i in range(start, ids.shape[1])])))
    np.testing.assert_allclose(
        problem.answers(np.zeros((1, problem.params.size)), "train", None)[0, 0], scores, atol=1e-5
    )


def test_the_projection_keeps_the_scale():
    """A z of deviation 1 moves the entries of a prompt as far as an x of deviation 1 does."""
    full, low = made(alpha=2.0), made(alpha=2.0, intrinsic=50)
    wanted = 2.0 * float(full.frozen.table.std())
    for problem in (full, low):
        points = np.random.default_rng(0).standard_normal((200, problem.params.size))
        moved = problem.space.prompts(points) - problem.space.start
        assert float(moved.std()) == pytest.approx(wanted, rel=0.1)
    one, two = (low.space.prompts(p[None] * np.ones(50)) - low.space.start for p in np.eye(50)[:2])
    both = low.space.prompts((np.eye(50)[0] + np.eye(50)[1])[None]) - low.space.start
    torch.testing.assert_close(one + two, both, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "shapes"),
    [
        ({}, [(64,)] * 5),
        ({"intrinsic": 9}, [(9,)]),
        ({"deep": True}, [(5, 64)] * 2),
        ({"deep": True, "intrinsic": 9}, [(9,)] * 2),
    ],
)
def test_a_group_is_a_token_or_a_layer(settings, shapes):
    problem = made(**settings)
    assert [b.shape for b in problem.params.blocks] == shapes
    assert len(problem.params.groups) == len(shapes)


def test_losses_over_scores():
    scores = np.array([[[0.0, 1.0], [3.0, 0.0]], [[0.0, 0.0], [0.0, 0.5]]])
    labels = np.array([1, 0])
    entropies = np.log1p(np.exp([[-1.0, -3.0], [0.0, 0.5]])).mean(1)
    np.testing.assert_allclose(mean_losses("cross-entropy", scores, labels), entropies)
    # max(0, 2 + other - own) / 2 words: (1 + 0) / 4 and (2 + 2.5) / 4
    np.testing.assert_allclose(mean_losses("hinge", scores, labels), [0.25, 1.125])
    np.testing.assert_allclose(mean_losses("accuracy", scores, labels), [0.0, 1.0])
    np.testing.assert_allclose(accuracies(scores, labels), [1.0, 0.0])
    assert np.isfinite(mean_losses("cross-entropy", 1e4 * scores, labels)).all()


@pytest.mark.parametrize("loss", ["hinge", "accuracy"])
def test_a_query_and_the_score_are_the_same_loss(loss):
    problem = made(loss=loss)
    scores = problem.answers(problem.params.x[None], "train", None)
    wanted = mean_losses(loss, scores, problem.labels("train"))[0]
    assert problem.losses([(0.0, Noise(0))], 0) == [pytest.approx(wanted)]
    found = problem.score()
    if loss == "accuracy":
        assert found["loss"] == pytest.approx(1.0 - found["accuracy"])


def test_few_shots_are_even_and_decided_by_the_instance():
    one = few_shot(TASK, 6, 3, 1)
    assert sorted(label for _, label in one.train) == [0] * 6 + [1] * 6
    assert sorted(label for _, label in one.dev) == [0] * 3 + [1] * 3
    assert set(one.train) <= set(TASK.train)
    assert set(one.dev) <= set(TASK.dev)
    assert few_shot(TASK, 6, 3, 1) == one
    assert few_shot(TASK, 6, 3, 2).train != one.train
    assert few_shot(TASK, 0, 0, 1) == TASK


def test_a_minibatch_is_the_seeds():
    problem = made(batch=3)
    assert problem.stochastic
    probe = [(0.0, Noise(0))] * 2
    first, again = problem.losses(probe, 5)
    assert first == pytest.approx(again, abs=1e-6)
    assert problem.samples == 6
    assert problem.losses(probe, 5)[0] == first
    assert len({round(problem.losses(probe, seed)[0], 9) for seed in range(8)}) > 4
    assert not made(batch=8).stochastic  # all 8 rows


def test_samples_are_texts_and_forwards_prompts():
    problem = made()
    problem.losses(PROBES, 0)
    assert (problem.samples, problem.forwards) == (5 * 8, 5)


@pytest.mark.parametrize("name", ["cma-es", "nevergrad", "mezo"])
def test_estimators_of_every_kind_learn_it(name):
    pytest.importorskip(estimators[name].needs or "numpy")
    settings = {"mezo": {"lr": 0.3, "eps": 0.3}}.get(name, {"sigma": 1.0})
    problem = made(intrinsic=10, shots=8)
    start = problem.losses([(0.0, Dense(np.zeros(10)))], 0)[0]
    estimator = estimators[name].build(settings)
    estimator.start(problem.params, 1)
    while problem.forwards < 200:
        estimator.step(lambda probes: problem.losses(probes, 0))
    assert problem.losses([(0.0, Noise(0))], 0)[0] < start - 0.02


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tokens": 0}, "tokens is a number"),
        ({"tokens": 126}, "leave no room"),
        ({"intrinsic": -1}, "intrinsic is"),
        ({"alpha": 0.0}, "alpha is"),
        ({"batch": -1}, "batch is"),
        ({"shots": 99}, r"has \d+ train rows of the label word"),
        ({"shots": -1}, "shots are"),
        ({"loss": "hinges"}, "did you mean 'hinge'"),
        ({"model": "tinny"}, "did you mean 'tiny'"),
        ({"init": "xyzzy"}, "holds no word"),
    ],
)
def test_wrong_settings_give_one_line(settings, said):
    with pytest.raises(BadInput, match=said) as error:
        made(**settings)
    assert "\n" not in str(error.value)


def test_the_bench_asks_the_same_of_every_way(monkeypatch):
    asked = []
    losses = SoftPrompt.losses
    monkeypatch.setattr(
        SoftPrompt,
        "losses",
        lambda problem, probes, seed: (asked.append(len(probes)), losses(problem, probes, seed))[1],
    )
    *_, (what, lines) = prompts("tiny", (3,), 4, 1)
    assert what == "done"
    assert len(lines) == 3 * 3  # tasks, ways
    assert all(line.seconds.median > 0 for line in lines)
    assert sum(asked) == 3 * 2 * (4 + 4)  # a round that does not count, and one that does
    assert asked.count(4) == 3 * 2
    with pytest.raises(BadInput, match="probes is a number"):
        next(prompts("tiny", (3,), 0, 1))
