"""Vector objectives: values, splitting into groups, and the noise on their losses."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize

from zobench.core.directions import Noise
from zobench.core.seeds import fold
from zobench.errors import BadInput
from zobench.objectives.synthetic._noise import KINDS, LAWS, loss_noise
from zobench.objectives.synthetic._settings import BlockSettings
from zobench.objectives.synthetic.sphere import sphere
from zobench.registry import objectives

MANY = 20_000


def build(name, **settings):
    problem = objectives[name].build(settings)
    problem.start(1)
    return problem


def noisy(law, gap, level, dim=10, kind="fresh", seed=3, count=MANY):
    """`count` noisy values of one gap."""
    model = loss_noise(law, level, kind, dim)
    points = np.arange(count, dtype=float)[:, None] + np.zeros(dim)
    return model(np.full(count, gap), points, seed)


def test_the_sphere_is_the_squared_distance():
    problem = build("sphere", dim=7)
    x = np.random.default_rng(0).standard_normal((5, 7))
    np.testing.assert_allclose(problem.f(x), (x**2).sum(axis=1))


@pytest.mark.parametrize("name", ["sphere", "rosenbrock"])
def test_a_shifted_optimum_is_elsewhere_for_every_seed(name):
    problem = objectives[name].build({"shifted": True, "dim": 6})
    found = []
    for seed in (1, 2, 1):
        problem.start(seed)
        x = minimize(
            lambda x: problem.f(x[None])[0],
            problem.params.flat(),
            jac=lambda x: problem._gradient(x),
            tol=1e-12,
        ).x
        found.append(x)
        assert np.linalg.norm(x) > 0.1
    np.testing.assert_allclose(found[0], found[2], atol=1e-4)
    assert np.linalg.norm(found[0] - found[1]) > 0.1


def test_the_minimum_of_rosenbrock_is_at_one():
    problem = build("rosenbrock", dim=9)
    assert problem.f(np.ones((1, 9)))[0] == 0.0
    direct = sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise([0.3, -1, 2]))
    assert build("rosenbrock", dim=3).f(np.array([[0.3, -1, 2]]))[0] == pytest.approx(direct)


@given(st.integers(1, 200), st.data())
def test_blocks_fill_the_vector_evenly(dim, data):
    blocks = data.draw(st.integers(1, dim))
    for matrix in (False, True):
        found = BlockSettings(blocks, matrix).shapes(dim)
        sizes = [math.prod(shape) for shape in found]
        assert sum(sizes) == dim
        assert len(found) == blocks
        assert max(sizes) - min(sizes) <= 1
        for shape, size in zip(found, sizes):
            composite = any(size % k == 0 for k in range(2, math.isqrt(size) + 1))
            assert len(shape) == (2 if matrix and composite else 1)
            assert min(shape) > 1 or len(shape) == 1


def test_a_matrix_is_as_square_as_its_size_allows():
    assert BlockSettings(1, True).shapes(24) == ((4, 6),)
    assert BlockSettings(2, True).shapes(24) == ((3, 4), (3, 4))
    assert BlockSettings(1, True).shapes(13) == ((13,),)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("sphere", {"dim": 0}, "dim"),
        ("rosenbrock", {"dim": 1}, "dim"),
        ("sphere", {"blocks": 11}, "blocks"),
        ("sphere", {"blocks": 0}, "blocks"),
        ("sphere", {"noise": "aditive"}, "did you mean 'additive'"),
        ("sphere", {"noise": "additive", "noise_kind": "freeze"}, "noise_kind"),
        ("sphere", {"noise_level": -1.0}, "noise_level"),
        ("sphere", {"noise_level": math.nan}, "noise_level"),
    ],
)
def test_bad_settings_give_one_line(name, settings, said):
    with pytest.raises(BadInput, match=said) as error:
        objectives[name].build(settings)
    assert "\n" not in str(error.value)


# ---- noise


@pytest.mark.parametrize("level", [0.01, 1.0])
def test_additive_and_student_follow_their_laws(level):
    z = (noisy("additive", 5.0, level) - 5.0) / level
    assert stats.kstest(z, "norm").pvalue > 1e-3
    t = (noisy("student", 5.0, level) - 5.0) / level * math.sqrt(3.0)
    assert stats.kstest(t, stats.t(3).cdf).pvalue > 1e-3


@pytest.mark.parametrize("level", [0.01, 1.0])
@pytest.mark.parametrize("gap", [1e-3, 1.0, 3e4])
@pytest.mark.parametrize("dim", [2, 20])
def test_bbob_models_match_the_independent_implementation(level, gap, dim):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cma.bbobbenchmarks as bn

    bn._rand.__self__.seed(5)  # the reference draws from its own generators
    bn._randn.__self__.seed(6)
    p = {0.01: 0.05, 1.0: 0.2}[level]
    true = np.full(MANY, gap)
    theirs = {
        "multiplicative": bn.fGauss(true, level),
        "uniform": bn.fUniform(true, level * (0.49 + 1.0 / dim), level),
        "cauchy": bn.fCauchy(true, level, p),
    }
    for law, values in theirs.items():
        ours = noisy(law, gap, level, dim)
        # the share that the Cauchy model leaves alone is one value: compare up to rounding
        found = stats.ks_2samp(np.round(ours, 9), np.round(values - 1.01e-8, 9))
        assert found.pvalue > 1e-3, law


@pytest.mark.parametrize("law", LAWS)
def test_noise_replays_and_rows_differ(law):
    values = noisy(law, 2.0, 0.5, count=400)
    assert np.array_equal(values, noisy(law, 2.0, 0.5, count=400))
    assert not np.array_equal(values, noisy(law, 2.0, 0.5, count=400, seed=4))
    assert len(np.unique(values)) > 50
    assert np.array_equal(noisy(law, 2.0, 0.5, count=1), values[:1])  # whatever follows


@pytest.mark.parametrize("law", LAWS)
def test_shared_noise_is_one_draw_a_call(law):
    values = noisy(law, 2.0, 0.5, kind="shared", count=50)
    assert len(np.unique(values)) == 1
    draws = [noisy(law, 2.0, 0.5, kind="shared", count=1, seed=s)[0] for s in range(60)]
    assert len(set(draws)) > 5


@pytest.mark.parametrize("law", LAWS)
def test_frozen_noise_belongs_to_the_point(law):
    model = loss_noise(law, 0.5, "frozen", 3)
    points = np.random.default_rng(1).standard_normal((60, 3))
    points[7] = points[3]
    gaps = np.full(60, 2.0)
    values = model(gaps, points, 1)
    assert np.array_equal(values, model(gaps, points, 99))
    assert values[7] == values[3]
    assert len(np.unique(values)) > 5
    order = np.random.default_rng(2).permutation(60)
    assert np.array_equal(model(gaps, points[order], 1), values[order])
    zeros = np.array([[0.0, 1.0, 0.0], [-0.0, 1.0, -0.0]])
    assert len(set(model(np.full(2, 2.0), zeros, 1))) == 1


def test_draws_of_neighbouring_rows_and_calls_are_independent():
    rows = noisy("additive", 0.0, 1.0)
    calls = np.array(
        [noisy("additive", 0.0, 1.0, count=1, seed=fold(9, k))[0] for k in range(4000)]
    )
    for z in (rows, calls):
        assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 4.0 / math.sqrt(len(z))
    assert stats.kstest(calls, "norm").pvalue > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("law", LAWS)
def test_noise_touches_losses_and_never_scores(law, kind):
    clean = build("rosenbrock")
    noisy = build("rosenbrock", noise=law, noise_level=0.1, noise_kind=kind)
    probes = [(0.1, Noise(k)) for k in range(6)]
    plain, seen = clean.losses(probes, 1), noisy.losses(probes, 1)
    assert plain != seen
    assert noisy.probe_scores == clean.probe_scores
    assert noisy.score() == clean.score()
    assert (clean.scored, noisy.scored) == ("best", "current")
    assert noisy.stochastic == (kind != "frozen")
    assert not clean.stochastic


def test_a_level_of_zero_is_no_noise():
    for law in LAWS:
        np.testing.assert_allclose(noisy(law, 2.0, 0.0, count=50), 2.0)


def test_shared_settings_stand_where_their_group_does():
    defaults = objectives["sphere"].defaults
    assert list(defaults) == [
        "dim", "blocks", "matrix", "shifted", "noise", "noise_level", "noise_kind"
    ]  # fmt: skip
    problem = sphere(8, blocks=2, shifted=True)  # called as any function
    assert [block.size for block in problem.start(1).blocks] == [4, 4]
    with pytest.raises(TypeError, match="split"):
        sphere(split=BlockSettings(2))


def test_a_shared_setting_is_refused_as_any_other():
    with pytest.raises(BadInput, match="noise_level' takes a number"):
        objectives["bbob"].build({"noise_level": "much"})
