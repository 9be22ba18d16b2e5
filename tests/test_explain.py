"""`zobench explain`: quantities against their closed forms, and points that stay."""

import json
import re

import numpy as np
import pytest

import zobench
from zobench.cli import status_of
from zobench.explain.explanation import explain
from zobench.explain.groups import landscape
from zobench.explain.mean_loss import MeanLoss
from zobench.explain.moves import moves

DIM, BLOCKS = 24, ((4, 3), (6,), (6,))


def nothing() -> None:
    """Take no notice of progress."""


def quadratic(noise=0.0, gradients=True, seed=0):
    """A quadratic with a full Hessian; each minibatch adds a linear term of its own."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((DIM, DIM)) * np.geomspace(2, 0.2, DIM)
    hessian, x0 = root @ root.T / DIM, rng.standard_normal(DIM)

    class Quadratic(zobench.VectorProblem):
        stochastic = bool(noise)

        def losses(self, probes, seed):
            values = super().losses(probes, seed)
            rows = self.params.rows(probes)
            return [v + float(row @ self.shift(seed)) for v, row in zip(values, rows)]

        def shift(self, seed):
            return noise * np.random.default_rng(seed).standard_normal(DIM)

        def gradient(self, seed):
            loss, parts = super().gradient(seed)
            shift = self.shift(seed)
            return loss, [g + shift[b.span] for g, b in zip(parts, self.params.blocks)]

    problem = Quadratic(
        lambda rows: 0.5 * np.einsum("ni,ij,nj->n", rows, hessian, rows),
        lambda _: x0,
        shapes=BLOCKS,
        gradient=(lambda x: hessian @ x) if gradients else None,
    )
    problem.stochastic = bool(noise)
    problem.start(0)
    return problem, hessian, x0


def inside(estimate, value, errors=4.5):
    return abs(estimate.value - value) <= errors * estimate.error + 1e-6 * abs(value)


@pytest.mark.parametrize("gradients", [True, False])
def test_a_landscape_is_that_of_the_closed_form(gradients):
    problem, hessian, x0 = quadratic(gradients=gradients)
    before = problem.params.flat()
    land = landscape(MeanLoss(problem, 1, 0), 400, 1, nothing)
    gradient, start = hessian @ x0, 0
    for group, shape in zip((*land.groups, land.total), (*BLOCKS, (DIM,))):
        span = slice(start, start + group.size) if group.name != "total" else slice(None)
        start += group.size
        assert group.size == np.prod(shape)
        assert inside(group.energy, gradient[span] @ gradient[span])
        assert inside(group.trace, np.trace(hessian[span, span]))
        assert group.noise.value == 0
    assert (problem.params.flat() == before).all()
    if gradients:
        largest = np.linalg.eigvalsh(hessian)[-1]
        assert land.largest == pytest.approx(largest, rel=2e-2)
        assert land.intrinsic_dimension == pytest.approx(np.trace(hessian) / largest, rel=0.2)
    else:
        assert land.gradient is None
        assert np.isnan(land.largest)


@pytest.mark.parametrize("gradients", [True, False])
def test_noise_of_minibatches_is_told_apart_from_energy(gradients):
    problem, hessian, x0 = quadratic(
        noise=3.0, gradients=gradients
    )  # tr S / n is 18, |g|^2 about 30
    exact = hessian @ x0
    energies, noises = [], []
    for seed in range(12):
        loss = MeanLoss(problem, 12, seed, step=1e-3)
        land = landscape(loss, 8 if gradients else 30, seed, nothing)
        energies.append(land.total.energy.value)
        noises.append(land.total.noise.value)
    for values, value in ((energies, exact @ exact), (noises, 9.0 * DIM)):
        error = np.std(values, ddof=1) / len(values) ** 0.5
        assert abs(np.mean(values) - value) < 4 * error


@pytest.mark.slow
def test_stated_intervals_hold_the_closed_forms_as_often_as_they_say():
    problem, hessian, x0 = quadratic()
    gradient = hessian @ x0
    energy, bend = gradient @ gradient, gradient @ hessian @ gradient
    progress = energy / (2 * (np.trace(hessian) + 2 * bend / energy)) / 2  # two queries per move
    loss, covered = MeanLoss(problem, 1, 0), np.zeros(3)
    for seed in range(200):
        land = landscape(loss, 30, seed, nothing)
        errors = abs(land.total.trace.value - np.trace(hessian))
        covered[0] += errors <= 1.96 * 1.04 * land.total.trace.error  # t with 29 degrees: 2.05
        measured = moves(
            loss, lambda: zobench.make("mezo", lr=1e-2, eps=1e-3), 80, 1000, seed, False, 1.0,
            nothing,
        )  # fmt: skip
        predicted = measured.predicted()
        covered[1] += predicted.low <= progress <= predicted.high
        # at theory's best length, the loss falls by what theory predicts, as this is a quadratic
        made = measured.measured()
        covered[2] += made.low <= progress <= made.high
    assert (covered >= 0.88 * 200).all(), covered
    assert covered[0] <= 0.99 * 200


def test_a_gaussian_move_scatters_over_d_plus_2_dimensions():
    problem, hessian, x0 = quadratic()
    gradient = hessian @ x0
    result = moves(
        MeanLoss(problem, 1, 0), lambda: zobench.make("mezo", lr=1e-2), 4000, 1000, 0, False, 1.0,
        nothing,
    )  # fmt: skip
    assert result.scatter(gradient @ gradient) == pytest.approx(DIM + 2, rel=0.15)
    # E[(g z)^2 z H z] / E[(g z)^2 |z|^2]
    numerator = np.trace(hessian) + 2 * gradient @ hessian @ gradient / (gradient @ gradient)
    assert result.curvature() == pytest.approx(numerator / (DIM + 2), rel=0.1)


def test_the_gradient_itself_scatters_over_one_dimension_and_costs_one_query():
    problem, hessian, x0 = quadratic()
    gradient = hessian @ x0
    result = moves(
        MeanLoss(problem, 1, 0), lambda: zobench.make("sgd-first-order", lr=1e-2), 3, 1000, 0,
        True, 1.0, nothing,
    )  # fmt: skip
    assert result.scatter(gradient @ gradient) == pytest.approx(1)
    best = (gradient @ gradient) ** 2 / (2 * gradient @ hessian @ gradient)
    assert result.predicted().value == pytest.approx(best, rel=1e-4)
    assert result.measured().value == pytest.approx(best, rel=1e-4)


def test_a_network_has_the_trace_and_the_energy_of_its_full_hessian():
    import torch

    problem = zobench.problem("llm", model="tiny")
    problem.start(0)
    before = [block.tensor.clone() for block in problem.params.blocks]
    loss = MeanLoss(problem, 2, 0)
    block = next(b for b in problem.params.blocks if b.name.endswith("final_layer_norm.weight"))
    exact = np.zeros((8, block.size))
    for k in range(8):
        row = np.zeros(problem.params.size)
        row[block.start + k] = 1
        product = loss.curvature(zobench.Dense(row), 3e-2)
        exact[k] = product[block.start :][: block.size]
    weight = dict(problem.net.named_parameters())[block.name]
    total = torch.zeros(8, block.size)
    for seed in loss.seeds:
        from zobench.objectives.llm.loss import label_loss

        batch = problem.minibatch(seed)
        (gradient,) = torch.autograd.grad(label_loss(problem.net, batch), weight, create_graph=True)
        rows = [torch.autograd.grad(g, weight, retain_graph=True)[0] for g in gradient[:8]]
        total += torch.stack(rows) / len(loss.seeds)
    assert np.abs(exact - total.numpy()).max() < 2e-2 * np.abs(total.numpy()).max()
    assert all(torch.equal(b.tensor, t) for b, t in zip(problem.params.blocks, before))


def test_a_measurement_on_the_way_changes_no_run():
    few = {"draws": 2, "directions": 2, "batches": 1}
    names, problem = ["zo-adam", "lozo"], "llm-tiny:tiny-sentiment"
    watched = list(explain(names, problem, queries=(0, 2, 6), **few))
    (alone,) = explain(names, problem, queries=(6,), **few)
    assert watched[-1].score == alone.score != watched[0].score
    assert watched[-1].landscape.total == alone.landscape.total


# ------------------------------------------------------------------ the command


def test_the_command_prints_tables_and_a_sentence_and_writes_files(tmp_path, capsys):
    words = "explain mezo mezo-bcd -p quick:blocks-d4000 -n 4 --directions 2 --queries 0 -q 20"
    assert status_of([*words.split(), "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "at the start, score 1.00" in out
    assert "after 20 queries of mezo, score" in out
    assert "Progress per query of mezo-bcd relative to mezo: predicted" in out.replace("\n", " ")
    groups = (tmp_path / "groups.csv").read_text().splitlines()
    assert len(groups) == 1 + 2 * 21
    points = json.loads((tmp_path / "points.json").read_text())
    assert [point["queries"] for point in points] == [0, 20]
    assert points[0]["intrinsic_dimension"] == pytest.approx(118.9, rel=1e-2)
    estimators = (tmp_path / "estimators.csv").read_text().splitlines()
    assert len({line.count(",") for line in estimators}) == 1


def test_objectives_without_gradients_get_what_losses_give(capsys):
    words = "explain mezo nevergrad -p quick:cartpole -n 3 --directions 2 --batches 2"
    assert status_of(words.split()) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "The objective has no gradient" in out
    assert "smoothed at this length" in out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("mezo -p quick", "SUITE:ID"),
        ("mezo -p quick:nothing", "nothing"),
        ("mezo -p quick:blocks-d4000 -q 5 -q 1", "increase"),
        ("mezo -p quick:blocks-d4000 -q 1000000", "budget of 4000"),
        ("mezo -p quick:blocks-d4000 -n 1", "--draws"),
        ("mezo -p quick:blocks-d4000 --length 2", "--length"),
        ("mezo -p quick:blocks-d4000 --step -1", "--step"),
        ("unknown-name -p quick:blocks-d4000", "unknown-name"),
    ],
)
def test_bad_input_is_one_line(words, reason, capsys):
    assert status_of(["explain", *words.split()]) == 2
    error = capsys.readouterr().err
    assert re.search(re.escape(reason), error)
    assert len(error.strip().splitlines()) == 1


def test_an_estimator_that_does_not_suit_a_problem_is_named_with_its_reason(capsys):
    words = "explain mezo adam-first-order -p quick:cartpole -n 2 --directions 2 --batches 2"
    assert status_of(words.split()) == 0
    reason = r"^adam-first-order: needs gradients"
    assert re.search(reason, capsys.readouterr().out, re.MULTILINE)
