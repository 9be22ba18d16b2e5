"""Moments of every estimate on a linear loss, d = 120, against their closed forms.

Each case draws `DRAWS` estimates through the public classes. The bound is 5 standard errors of the
sample itself: about 1 false alarm in 1.7 million per comparison, were the seeds not fixed.
"""

import numpy as np
import pytest

from zobench.core import samplers
from zobench.core.estimator import ComposedEstimator
from zobench.core.oracle import Oracle
from zobench.core.problem import VectorProblem
from zobench.core.rules import SGD
from zobench.core.schemes import Central, Forward

M, N = 12, 10
D = M * N
DRAWS = 3000
SHAPES = ((6, 10), (6, 10))  # two groups, for the block-coordinate case
G = np.random.default_rng(0).standard_normal(D)


def linear(shapes) -> VectorProblem:
    return VectorProblem(lambda x: x @ G, lambda rng: np.zeros(D), shapes=shapes)


def estimates(sampler, scheme, shapes=((M, N),), draws=DRAWS, start=None) -> np.ndarray:
    """Estimates of the gradient at `start` (default: zero) as rows, shape (draws, D)."""
    problem = linear(shapes)
    start = np.zeros(D) if start is None else start
    problem.x0 = lambda rng: start
    params = problem.start(0)
    estimator = ComposedEstimator(sampler, scheme, SGD(lr=1.0))
    estimator.start(params, 7)
    oracle, found = Oracle(problem, 10**9, 0), []
    for _ in range(draws):
        before = params.flat()
        estimator.step(oracle)
        found.append(before - params.flat())
        for block in params.blocks:  # keep f small, so that rounding stays far below the noise
            params.update(block, -params.x[block.span])
            params.update(block, start[block.span])
    return np.array(found)


def check(found: np.ndarray, mean: np.ndarray, second: float) -> None:
    """E[g] = mean and E|g|^2 = second, within 5 standard errors."""
    along = found @ mean / (mean @ mean)
    assert abs(along.mean() - 1) < 5 * along.std() / np.sqrt(len(found)) + 1e-6
    error = np.abs(found.mean(axis=0) - mean)
    assert np.all(error < 5 * found.std(axis=0) / np.sqrt(len(found)) + 1e-6)
    squares = (found**2).sum(axis=1)
    assert abs(squares.mean() - second) < 5 * squares.std() / np.sqrt(len(found)) + 1e-5 * second


@pytest.mark.parametrize("scheme", [Central, Forward])
@pytest.mark.parametrize("q", [1, 4, 16])
@pytest.mark.parametrize(("law", "extra"), [("gaussian", 1), ("rademacher", -1), ("sphere", -1)])
def test_independent_directions(law, extra, q, scheme):
    found = estimates(samplers.by_name(law, q), scheme(1e-3, q), draws=DRAWS // q)
    check(found, G, (D + q + extra) / q * (G @ G))


@pytest.mark.parametrize("q", [1, 8, 60])
def test_orthogonal_directions(q):
    found = estimates(samplers.Orthogonal(q), Central(1e-3, q), draws=max(40, DRAWS // q))
    check(found, G, D / q * (G @ G))


def test_d_orthogonal_directions_give_the_gradient_itself():
    found = estimates(samplers.Orthogonal(D), Central(1e-3, D), draws=3)
    np.testing.assert_allclose(found, np.tile(G, (3, 1)), atol=1e-6)


@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
@pytest.mark.parametrize("q", [2, 8])
def test_alignment_projects_the_gradient_on_the_span(law, q):
    found = estimates(samplers.by_name(law, q), Central(1e-3, q, "align"), draws=DRAWS // q)
    check(found, G, D / q * (G @ G))


@pytest.mark.parametrize("rank", [1, 2, 4, 8])
def test_low_rank_redrawn(rank):
    """E|g|^2/|G|^2 = ((m+2)(n+2) + (r-1)(mn+2)) / r, by counting the pairings of U and V."""
    second = ((M + 2) * (N + 2) + (rank - 1) * (M * N + 2)) / rank
    found = estimates(samplers.LowRankSampler(rank, refresh=1), Central(1e-3))
    check(found, G, second * (G @ G))


def test_low_rank_in_a_window_sees_the_projection_on_v():
    """V fixed: E[g | V] = G V Vᵀ / rank."""
    sampler, rank = samplers.LowRankSampler(2, refresh=10**9), 2
    found = estimates(sampler, Central(1e-3))
    v = np.linalg.svd(found[0].reshape(M, N))[2][:rank]  # the rows of every estimate span V
    for row in found[:50]:
        assert np.linalg.matrix_rank(row.reshape(M, N), tol=1e-3) == rank
        rest = row.reshape(M, N) @ (np.eye(N) - v.T @ v)
        assert np.abs(rest).max() < 1e-5 * np.abs(row).max()


@pytest.mark.parametrize("sampler", [samplers.Sparse(0.25, refresh=0), samplers.SmallWeights(0.25)])
def test_masks_keep_what_they_say(sampler):
    found = estimates(sampler, Central(1e-3), start=np.random.default_rng(1).standard_normal(D))
    mask = (found != 0).any(axis=0)
    kept = int(mask.sum())
    assert np.array_equal(found != 0, np.tile(mask, (len(found), 1)))
    assert abs(kept - 0.25 * D) < 5 * np.sqrt(D * 0.25 * 0.75)
    check(found, mask * G, (kept + 2) * ((mask * G) @ G))


def test_random_masks_realise_the_nominal_sparsity():
    found = estimates(samplers.Sparse(0.1), Central(1e-3), draws=500)
    share, deviation = (found != 0).mean(), np.sqrt(0.1 * 0.9 / found.size)
    assert abs(share - 0.1) < 5 * deviation


@pytest.mark.parametrize("order", ["ascending", "random"])
def test_one_group_sees_its_own_gradient(order):
    found = estimates(samplers.OneGroup(10**9, order), Central(1e-3), SHAPES)
    active = (found != 0).any(axis=0)
    assert active.sum() == D // 2
    check(found, active * G, (D // 2 + 2) * ((active * G) @ G))


def test_all_coordinates_give_the_gradient_and_some_an_unbiased_estimate():
    np.testing.assert_allclose(estimates(samplers.Coordinates(0), Central(1e-3, 0), draws=1)[0], G)
    found = estimates(samplers.Coordinates(10), Central(1e-3, 10), draws=DRAWS)
    check(found, G, D / 10 * (G @ G))


def test_orthogonal_frames_are_haar():
    """The first coordinate of a Haar column is distributed as that of a uniform unit vector."""
    from scipy import stats

    d, q = 12, 12
    problem = VectorProblem(lambda x: x[:, 0], lambda rng: np.zeros(d))
    params, sampler = problem.start(0), samplers.Orthogonal(q)
    firsts = [
        params.dense(sampler(params, 0, seed, 0), params.blocks[0])[0] / np.sqrt(d)
        for seed in range(400)
        for _ in range(q)
    ]
    beta = stats.beta(0.5, (d - 1) / 2)
    assert stats.kstest(np.square(firsts[::q]), beta.cdf).pvalue > 1e-4
    assert abs(np.var(firsts) * d - 1) < 0.1
