"""Large synthetic objectives: closed forms, rotations, chunks, precision and size."""

import numpy as np
import pytest
import torch

from zobench.core.directions import Noise
from zobench.errors import BadInput
from zobench.registry import objectives

CASES = [
    ("quadratic", {}),
    ("quadratic", {"exponent": 0.5, "shift": 0.7, "basis": "random"}),
    ("quadratic", {"spectrum": "rank", "rank": 4.0}),
    ("quadratic", {"spectrum": "spiked", "spikes": 5, "tail": 0.1, "basis": "random"}),
    ("quadratic", {"spectrum": "spiked", "spikes": 5, "tail": 0.0}),
    ("block-quadratic", {"blocks": 6}),
    ("block-quadratic", {"blocks": 6, "correlation": "negative", "basis": "random"}),
    ("embedded", {"intrinsic": 5}),
    ("embedded", {"intrinsic": 5, "inner": "quadratic", "basis": "subset"}),
    ("embedded", {"intrinsic": 5, "inner": "rosenbrock"}),
    ("chained-rosenbrock", {}),
    ("chained-rosenbrock", {"basis": "random"}),
    ("nonsmooth", {}),
    ("nonsmooth", {"basis": "identity"}),
    ("nonsmooth", {"kind": "max", "basis": "identity"}),
    ("nonsmooth", {"kind": "max"}),
    ("logistic", {"examples": 40}),
    ("logistic", {"examples": 200}),
]
DIM = 60


def build(name, start=1, **given):
    problem = objectives[name].build({"dim": DIM, "dtype": "float64", **given})
    problem.start(start)
    return problem


def put(problem, x):
    problem.params.flush()
    problem.x.copy_(torch.as_tensor(x))


@pytest.mark.parametrize(("name", "given"), CASES)
def test_the_gap_is_one_at_the_start_and_zero_at_the_optimum(name, given):
    for seed in (1, 2):
        problem = build(name, seed, **given)
        assert problem.score()["gap"] == pytest.approx(1.0, abs=1e-12)
        put(problem, problem.optimum())
        assert problem.score()["gap"] == pytest.approx(0.0, abs=1e-12)
        assert problem.score()["loss"] == pytest.approx(problem.minimum, abs=1e-12)


@pytest.mark.parametrize(("name", "given"), CASES)
def test_single_precision_starts_at_gap_one_too(name, given):
    problem = build(name, **given, dtype="float32")
    assert problem.x.dtype == torch.float32
    assert problem.score()["gap"] == pytest.approx(1.0, abs=1e-5)
    assert build(name, **given, dtype="bfloat16").score()["gap"] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("name", "given"), CASES)
def test_gradients_match_central_differences_at_any_point(name, given):
    problem = build(name, **given)
    rng = np.random.default_rng(3)
    for scale in (0.3, 1.0):
        x = problem.optimum().numpy() + scale * rng.standard_normal(DIM)
        put(problem, x)
        exact = torch.cat(list(problem.gradient(0)[1])).numpy()
        found = []
        for e in 1e-6 * np.eye(DIM):
            put(problem, x + e)
            high = problem.loss(0)
            put(problem, x - e)
            found.append((high - problem.loss(0)) / 2e-6)
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-7 * np.abs(exact).max() + 1e-9)


@pytest.mark.parametrize(("name", "given"), CASES)
def test_chunks_change_nothing(name, given):
    whole, pieces = build(name, **given), build(name, **given)
    pieces.function.chunk = 7
    for problem in (whole, pieces):
        problem.start(4)
        problem.params.add(0.5, Noise(2))
        problem.params.flush()
    assert torch.equal(whole.x, pieces.x) or torch.allclose(whole.x, pieces.x, atol=1e-14)
    assert pieces.score()["loss"] == pytest.approx(whole.score()["loss"], rel=1e-12)
    for one, two in zip(whole.gradient(0)[1], pieces.gradient(0)[1]):
        assert torch.allclose(one, two, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "given"), CASES)
def test_seeds_choose_the_start_and_instances_the_function(name, given):
    one, same = build(name, 1, **given), build(name, 1, **given)
    assert torch.equal(one.x, same.x)
    if "instance" in objectives[name].defaults and given.get("basis") in ("random", "subset"):
        other = build(name, 1, **given, instance=2)
        for problem in (one, other):
            put(problem, torch.linspace(-1.0, 1.0, DIM, dtype=torch.float64))
        assert other.score()["gap"] != one.score()["gap"]


def test_blocks_are_views_of_one_buffer():
    problem = build("quadratic", dim=24, blocks=2, matrix=True, dtype="float32")
    assert [b.shape for b in problem.params.blocks] == [(3, 4), (3, 4)]
    assert problem.describe()["groups"] == {"x0": 12, "x1": 12}
    problem.params.update(problem.params.blocks[1], torch.ones(12))
    assert float(problem.x[12:].sum()) == pytest.approx(
        float(problem.x.sum() - problem.x[:12].sum())
    )
    assert problem.params.blocks[0].tensor.data_ptr() == problem.x.data_ptr()
    facts = problem.describe()
    assert (facts["dtype"], facts["device"], facts["realisation"]) == ("float32", "cpu", "walk")


@pytest.mark.parametrize("law", ["additive", "multiplicative", "student"])
def test_noise_is_relative_to_the_gap_and_of_its_kind(law):
    d = Noise(5)
    probes = [(0.01, d), (0.01, d), (-0.01, d)]
    given = {"dim": 30, "noise": law, "noise_level": 0.1}
    for kind in ("fresh", "shared", "frozen"):
        problem = build("logistic", examples=20, **given, noise_kind=kind)
        first, again = problem.losses(probes, 1), problem.losses(probes, 1)
        other = problem.losses(probes, 2)
        errors = (np.array(first) - problem.minimum) / problem.function.span - problem.probe_scores
        assert 0.0 < np.abs(errors).max() < 1.0
        assert problem.scored == "current"
        if kind == "frozen":  # bits of the point: the walk's restore may change the last one
            assert not problem.stochastic
            put(problem, problem.optimum())
            assert problem.loss(1) == problem.loss(2)
            continue
        np.testing.assert_allclose(again, first, rtol=1e-9)
        assert abs(other[0] - first[0]) > 1e-6
        assert (abs(first[0] - first[1]) < 1e-9) == (kind == "shared")
    clean = build("logistic", examples=20, dim=30)
    clean.losses(probes, 1)
    np.testing.assert_allclose(clean.probe_scores, problem.probe_scores, rtol=1e-9)
    assert clean.scored == "best"


def test_counters_follow_the_probes():
    problem = build("quadratic")
    problem.losses([(0.1, Noise(k)) for k in range(5)], 0)
    assert (problem.samples, problem.forwards) == (5, 5.0)
    problem.gradient(0)
    assert problem.forwards == 8.0


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("quadratic", {"dim": 0}, "dim"),
        ("quadratic", {"spectrum": "spike"}, "did you mean 'spiked'"),
        ("quadratic", {"spectrum": "rank", "rank": 2000.0}, "rank"),
        ("quadratic", {"spectrum": "rank", "rank": 1.0}, "rank"),
        ("quadratic", {"spectrum": "spiked", "tail": 1000.0}, "tail"),
        ("quadratic", {"exponent": -1.0}, "exponent"),
        ("quadratic", {"basis": "subset"}, "basis"),
        ("quadratic", {"dtype": "float23"}, "did you mean 'float32'"),
        ("quadratic", {"device": "abacus"}, "abacus"),
        ("quadratic", {"blocks": 1001}, "blocks"),
        ("block-quadratic", {"blocks": 7}, "994"),
        ("block-quadratic", {"correlation": "negativ"}, "did you mean 'negative'"),
        ("block-quadratic", {"spread": 20.0}, "spread"),
        ("embedded", {"intrinsic": 1000}, "dim"),
        ("embedded", {"basis": "identity"}, "basis"),
        ("embedded", {"inner": "spere"}, "did you mean 'sphere'"),
        ("chained-rosenbrock", {"dim": 1}, "dim"),
        ("nonsmooth", {"kind": "l2"}, "kind"),
        ("logistic", {"batch": 501}, "batch"),
        ("logistic", {"examples": 1}, "examples"),
        ("logistic", {"noise": "gauss"}, "noise"),
    ],
)
def test_bad_settings_give_one_line(name, given, said):
    with pytest.raises(BadInput, match=said) as error:
        objectives[name].build(given)
    assert "\n" not in str(error.value)
