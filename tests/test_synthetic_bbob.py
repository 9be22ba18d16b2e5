"""The BBOB functions: values against an independent implementation, and what COCO cannot bear."""

import warnings

import numpy as np
import pytest

from zobench.core.directions import Noise
from zobench.errors import BadInput
from zobench.registry import objectives

cocoex = pytest.importorskip("cocoex")
FUNCTIONS = range(1, 25)

# COCO's C code has 4.2096874637 where the reference has 4.2096874633: f20's optimal |x_i|, doubled
CONSTANT = {20: 4.2096874637 / 4.2096874633}


def build(name="bbob", **settings):
    problem = objectives[name].build(settings)
    problem.start(1)
    return problem


def reference(function, instance, points):
    """(values of the points, optimal value) by the `cma` package's Python code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cma.bbobbenchmarks as bn
    f = getattr(bn, f"F{function}")(instance)
    f(points[0])
    if function in CONSTANT:
        f.arrxopt = f.arrxopt * CONSTANT[function]
    return np.array([f(x) for x in points]), f.fopt


@pytest.mark.parametrize("function", FUNCTIONS)
def test_values_match_the_independent_implementation(function):
    for dim in (2, 3, 5, 10, 20, 40):
        for instance in (1, 2, 71):
            problem = build(function=function, dim=dim, instance=instance)
            points = np.random.default_rng(dim).uniform(-6.0, 6.0, (6, dim))  # also outside the box
            wanted, optimum = reference(function, instance, points)
            found = problem.f(points)
            assert problem.minimum == pytest.approx(optimum, abs=1e-9)
            scale = np.maximum(np.abs(wanted), np.abs(wanted - optimum))
            assert np.max(np.abs(found - wanted) / scale) < 1e-9


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_gap_is_zero_at_the_optimum_and_nowhere_below(function):
    for dim in (2, 7, 40):
        problem = build(function=function, dim=dim, instance=3)
        best = np.array(cocoex.BareProblem("bbob", function, dim, 3).best_parameter())
        assert problem.f(best[None])[0] - problem.minimum == pytest.approx(0.0, abs=1e-8)
        points = best + np.random.default_rng(0).standard_normal((50, dim))
        assert np.all(problem.f(points) >= problem.minimum)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_gap_of_a_large_function_is_zero_at_its_optimum(function, tmp_path, monkeypatch):
    problem = build("bbob-largescale", function=function, dim=80, instance=2)
    suite = cocoex.Suite(
        "bbob-largescale", "instances:2", f"dimensions:80 function_indices:{function}"
    )
    monkeypatch.chdir(tmp_path)  # the only public way to the optimum writes a file
    suite[0]._best_parameter("print")
    best = np.loadtxt(next(tmp_path.iterdir()))
    assert problem.f(best[None])[0] - problem.minimum == pytest.approx(0.0, abs=1e-8)
    assert np.all(
        problem.f(best + np.random.default_rng(0).standard_normal((9, 80))) > problem.minimum
    )


@pytest.mark.parametrize("name", ["bbob", "bbob-largescale"])
def test_rows_are_single_evaluations(name):
    problem = build(name, function=15, dim=20)
    points = np.random.default_rng(0).uniform(-5, 5, (9, 20))
    assert problem.f(points).tolist() == [problem.f(row[None])[0] for row in points]


@pytest.mark.parametrize("name", ["bbob", "bbob-largescale"])
def test_problems_live_side_by_side(name):
    one = build(name, function=10, dim=20)
    before = one.losses([(0.1, Noise(1))], 0)
    for function in FUNCTIONS:
        build(name, function=function, dim=40, instance=2).losses([(0.1, Noise(1))], 0)
    assert one.losses([(0.1, Noise(1))], 0) == before


@pytest.mark.parametrize("name", ["bbob", "bbob-largescale"])
def test_points_of_another_length_are_refused(name):
    problem = build(name, dim=20)
    for shape in ((1, 19), (2, 21), (20,)):
        with pytest.raises(BadInput, match="20 coordinates"):
            problem.f(np.zeros(shape))


def test_the_start_is_that_of_coco_or_drawn():
    problem = build(dim=5)
    assert not problem.params.x.any()
    drawn = objectives["bbob"].build({"dim": 5, "start": "uniform"})
    points = np.array([drawn.start(seed).flat() for seed in range(200)])
    assert np.abs(points).max() <= 4.0
    assert points.std() == pytest.approx(8.0 / np.sqrt(12.0), rel=0.1)


def test_instances_differ_and_noise_spares_the_score():
    assert build(instance=1).minimum != build(instance=2).minimum
    noisy = build(function=8, noise="cauchy", noise_level=1.0)
    clean = build(function=8)
    probes = [(0.5, Noise(k)) for k in range(4)]
    assert noisy.losses(probes, 3) != clean.losses(probes, 3)
    assert noisy.probe_scores == clean.probe_scores
    assert noisy.score() == clean.score()


def test_blocks_split_the_vector():
    problem = build(dim=20, blocks=4, matrix=True)
    assert list(problem.describe()["groups"].values()) == [5, 5, 5, 5]
    assert build(dim=40, blocks=4, matrix=True).params.blocks[0].shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("bbob", {"dim": 41}, "bbob-largescale"),
        ("bbob", {"dim": 640}, "bbob-largescale"),
        ("bbob", {"dim": 1}, "2 to 40"),
        ("bbob", {"function": 25}, "1 to 24"),
        ("bbob", {"function": 0}, "1 to 24"),
        ("bbob", {"instance": 0}, "from 1"),
        ("bbob", {"instance": 2**31}, "from 1"),
        ("bbob", {"start": "zero"}, "'zeros' or 'uniform'"),
        ("bbob-largescale", {"dim": 100}, "nearest is 80"),
        ("bbob-largescale", {"function": 25}, "1 to 24"),
        ("bbob-largescale", {"instance": -1}, "from 1"),
    ],
)
def test_what_coco_cannot_bear_never_reaches_it(name, settings, said):
    with pytest.raises(BadInput, match=said) as error:
        objectives[name].build(settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_large_functions_of_few_variables_are_those_of_bbob_but_for_the_ninth(function):
    for dim in (20, 40):
        small, large = (
            build(name, function=function, dim=dim, instance=3)
            for name in ("bbob", "bbob-largescale")
        )
        assert small.minimum == large.minimum
        points = np.random.default_rng(dim).uniform(-5.0, 5.0, (5, dim))
        equal = np.allclose(small.f(points), large.f(points), rtol=1e-10)
        assert equal == (function != 9)
