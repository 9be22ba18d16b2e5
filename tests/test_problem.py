"""What an objective's function may do and return, and what the oracle refuses."""

import math

import numpy as np
import pytest
import torch

import zobench
from zobench.core.directions import Dense, Noise, Restricted
from zobench.core.oracle import REFUSALS, BudgetExhausted, Diverged, Oracle, Unstoppable
from zobench.core.problem import InPlaceProblem, VectorProblem
from zobench.engine.tensors import TensorParams
from zobench.errors import BadInput
from zobench.objectives.synthetic._noise import loss_noise


def problem(f) -> VectorProblem:
    made = VectorProblem(f, lambda rng: np.zeros(3))
    made.start(0)
    return made


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: np.append(x[:, 0], 0.0),
        lambda x: x[1:, 0],
        lambda x: 1.0,
        lambda x: list(x[:, 0]),
        lambda x: x[:, 0] + 1j,
        lambda x: x,
    ],
)
def test_a_function_must_give_one_real_loss_a_row(wrong):
    with pytest.raises(ValueError, match="one real loss per row"):
        Oracle(problem(wrong), 10, 0)([(1.0, Noise(1)), (-1.0, Noise(1))])


@pytest.mark.parametrize(
    ("probes", "said"),
    [
        ([], "no probes"),
        ([(1.0, np.ones(3))], "the direction of a probe is a ndarray"),
        ([(1.0, torch.ones(3)), (0.0, Noise(1))], "the direction of a probe is a Tensor"),
        ([Noise(1)], r"a pair \(scale, direction\), not Noise"),
    ],
)
def test_probes_that_are_none_are_told_in_the_terms_of_an_estimator(probes, said):
    with pytest.raises((TypeError, ValueError), match=said):
        Oracle(problem(lambda x: x[:, 0]), 10, 0)(probes)


def test_an_objective_must_give_as_many_losses_as_probes():
    made = problem(lambda x: x[:, 0])
    made.losses = lambda probes, seed: [0.0]
    with pytest.raises(ValueError, match="1 losses for 2 probes"):
        Oracle(made, 10, 0)([(1.0, Noise(1)), (-1.0, Noise(1))])


class Careless:
    """f(x) = sum of (x - 0.3)^2 that writes to all it was ever given, now or one call later."""

    def __init__(self, later: bool) -> None:
        self.later, self.kept = later, []

    def spoil(self, x):
        for rows in self.kept:
            rows[...] = 7.0
        self.kept = [x] if self.later else []

    def f(self, x):
        self.spoil(x)
        y = x if not self.later else x.copy()
        y -= 0.3
        return (y * y).sum(axis=1)

    def gradient(self, x):
        self.spoil(x)
        y = x if not self.later else x.copy()
        y -= 0.3
        y *= 2.0
        self.kept.append(y)
        return y


PROBES = [
    [(0.0, Noise(1))],
    [(0.5, Noise(1))],
    [(0.5, Noise(1)), (-0.5, Noise(1))],
    [(0.5, Noise(1)), (-0.5, Noise(2))],
    [(0.5, Restricted(Noise(1), frozenset([0])))],
    [(0.5, Dense(np.arange(4.0))), (0.0, Noise(3)), (0.2, Noise(1))],
    [(0.5, Noise(k)) for k in range(5)],
]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("kind", [None, "fresh", "frozen"])
def test_a_function_may_write_to_its_rows_and_keep_them(later, kind):
    noise = kind and loss_noise("additive", 0.1, kind, 4)
    start = np.arange(4.0)
    clean = VectorProblem(
        lambda x: ((x - 0.3) ** 2).sum(axis=1),
        lambda rng: start,
        shapes=((2,), (2,)),
        gradient=lambda x: 2.0 * (x - 0.3),
        noise=noise,
    )
    careless = Careless(later)
    spoilt = VectorProblem(
        careless.f,
        lambda rng: start,
        shapes=((2,), (2,)),
        gradient=careless.gradient,
        noise=noise,
    )
    found = []
    for problem in (clean, spoilt):
        params, told = problem.start(0), []
        for seed, probes in enumerate(PROBES * 2):
            told += [
                *problem.losses(probes, seed),
                *(problem.probe_scores or ()),
                *problem.score().values(),
            ]
            told.append(problem.gradient(0)[0])
            held = problem.gradient(0)[1]  # the estimator's to keep
            problem.losses(PROBES[0], 0)
            told += [g for part in held for g in part.tolist()]
            params.add(0.1, Noise(seed))
            told += params.flat().tolist()
        found.append(told)
    assert found[0] == found[1]
    assert start.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_an_estimator_cannot_write_to_the_point():
    params = problem(lambda x: x[:, 0]).start(0)
    with pytest.raises(ValueError, match="read-only"):
        params.x[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        params.x[...] += 1.0
    for mine in (params.flat(), params.dense(Noise(1), params.blocks[0]), params.rows(PROBES[0])):
        mine[...] = 9.0
    assert params.x.tolist() == [0.0, 0.0, 0.0]
    params.add(1.0, Dense(np.ones(3)))
    assert params.x.tolist() == [1.0, 1.0, 1.0]


def test_a_gradient_must_have_the_shape_of_the_point():
    made = VectorProblem(lambda x: x[:, 0], lambda rng: np.zeros(3), gradient=lambda x: x[:2])
    made.start(0)
    with pytest.raises(ValueError, match=r"shape \(3,\), not \(2,\)"):
        made.gradient(0)


def ranking(losses, ranks=True):
    """An oracle whose calls give the listed losses, whatever is asked."""
    made, given = problem(lambda x: x[:, 0]), list(losses)
    made.f = lambda x: np.array([given.pop(0) for _ in x])
    oracle = Oracle(made, 100, 0)
    oracle.ranks = ranks
    return oracle


PAIR = [(1.0, Noise(1)), (-1.0, Noise(1))]


def test_to_an_estimator_that_ranks_what_is_not_finite_is_the_worst_of_losses():
    oracle = ranking([np.nan, 3.0, 2.0, np.inf, np.nan, np.inf, np.nan, 1.0])
    assert [oracle(PAIR) for _ in range(3)] == [[np.inf, 3.0], [2.0, np.inf], [np.inf, np.inf]]
    assert oracle(PAIR[:1]) == [np.inf]
    assert oracle.low == 2.0
    assert oracle(PAIR[:1]) == [1.0]
    assert (oracle.low, oracle.lost, oracle.queries) == (1.0, 5, 8)


@pytest.mark.parametrize("ranks", [False, True])
@pytest.mark.parametrize("losses", [[-np.inf], [1.0, -np.inf], [-np.inf, 1.0], [np.nan, -np.inf]])
def test_minus_infinity_is_no_success(ranks, losses):
    oracle, told = ranking(losses, ranks), []
    oracle.on_low = told.append
    with pytest.raises(Diverged, match="the loss was"):
        oracle(PAIR[: len(losses)])
    assert oracle.low == (1.0 if losses[0] == 1.0 else np.inf)
    assert not any(-np.inf in seen for seen in told)
    with pytest.raises(Diverged):  # and that is the end
        oracle(PAIR[:1])
    assert oracle.queries == len(losses)


def test_a_score_of_minus_infinity_is_none_either():
    made = problem(lambda x: x[:, 0])
    made.losses = lambda probes, seed: setattr(made, "probe_scores", [-np.inf]) or [1.0]
    with pytest.raises(Diverged, match="score"):
        Oracle(made, 10, 0)(PAIR[:1])


def test_finite_losses_whose_sum_overflows_are_losses():
    oracle = ranking([1e308, 1e308], ranks=False)
    assert oracle(PAIR) == [1e308, 1e308]


def test_losses_of_other_real_types_are_looked_at_at_once():
    made = problem(lambda x: x[:, 0])
    made.losses = lambda probes, seed: [np.float32(np.nan)]
    with pytest.raises(Diverged, match="nan at query 1"):
        Oracle(made, 10, 0)(PAIR[:1])


def refused(oracle, ask):
    """What `ask` raises, call after call, until it raises Unstoppable."""
    raised = []
    for _ in range(REFUSALS):
        with pytest.raises(Exception) as error:  # noqa: PT011 - of any kind
            ask()
        raised.append(type(error.value))
    with pytest.raises(Unstoppable) as stop:
        ask()
    assert isinstance(stop.value, BaseException)
    assert not isinstance(stop.value, Exception)
    return set(raised), str(stop.value)


def test_an_estimator_that_catches_everything_is_stopped():
    def raising(x):
        raise ZeroDivisionError("the sun went out")

    spent = Oracle(problem(lambda x: x[:, 0]), 2, 0)
    spent(PAIR)
    kinds, said = refused(spent, lambda: spent(PAIR))
    assert kinds == {BudgetExhausted}
    assert "must not catch what evaluate raises (BudgetExhausted: " in said
    plain = Oracle(problem(lambda x: x[:, 0]), 9, 0)
    assert refused(plain, lambda: plain([]))[0] == {ValueError}
    plain(PAIR)  # one that was answered begins the count again
    assert refused(plain, lambda: plain(["no probe"]))[0] == {TypeError}
    wild = Oracle(problem(raising), 9, 0)
    kinds, said = refused(wild, lambda: wild(PAIR))
    assert kinds == {ZeroDivisionError}
    assert "the sun went out" in said
    given_up = []
    wild.abandon = given_up.append
    for _ in range(REFUSALS):
        with pytest.raises(Unstoppable):
            wild(PAIR)
    assert given_up


def test_a_smaller_call_may_follow_one_that_did_not_fit():
    oracle = Oracle(problem(lambda x: x[:, 0]), 3, 0)
    oracle(PAIR)
    with pytest.raises(BudgetExhausted):
        oracle(PAIR)
    assert len(oracle(PAIR[:1])) == 1


def test_what_ended_a_run_ends_it_for_good():
    class Reached(Exception):  # noqa: N818 - an end
        pass

    def reached(seen):
        raise Reached

    oracle = Oracle(problem(lambda x: x[:, 0] - 5.0), 9, 0, reached)
    for _ in range(3):
        with pytest.raises(Reached):
            oracle(PAIR)
    assert oracle.queries == 2


def test_gradients_are_for_those_registered_as_first_order():
    made = VectorProblem(lambda x: x[:, 0], lambda rng: np.zeros(3), gradient=lambda x: x)
    made.start(0)
    oracle = Oracle(made, 9, 0)
    oracle.gradients = False
    with pytest.raises(BadInput, match="registered with first_order=True"):
        oracle.gradient()
    assert oracle.queries == 0
    assert not hasattr(oracle, "problem")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_ends_the_run_and_names_the_query(value):
    oracle = Oracle(problem(lambda x: np.where(np.arange(len(x)) == 1, value, 0.0)), 10, 0)
    with pytest.raises(Diverged, match="at query 2"):
        oracle([(1.0, Noise(1)), (-1.0, Noise(1))])


def test_a_call_that_does_not_fit_is_not_made():
    oracle = Oracle(problem(lambda x: x[:, 0]), 3, 0)
    oracle([(1.0, Noise(1)), (-1.0, Noise(1))])
    with pytest.raises(BudgetExhausted):
        oracle([(1.0, Noise(2)), (-1.0, Noise(2))])
    assert oracle.queries == 2


@pytest.mark.parametrize(
    ("dtype", "loss", "minimum"),
    [
        ("float32", 16777220, 16777216.5), ("float16", 0, -70000.0), ("uint8", 2, 3.0),
        ("uint8", 2, -1.0), ("int64", 5, 0.5), ("float64", 5, 0.5),
    ],
)  # fmt: skip
def test_gaps_are_taken_in_64_bits(dtype, loss, minimum):
    problem = VectorProblem(
        lambda x: np.full(len(x), loss, dtype), lambda rng: np.zeros(2), minimum=minimum
    )
    problem.start(0)
    assert problem.losses([(0.1, Noise(1))], 0) == [loss]
    assert problem.probe_scores == [loss - minimum]
    assert problem.score()["gap"] == loss - minimum


@pytest.mark.parametrize("dtype", [complex, object, bool])
def test_losses_of_another_type_are_told_by_it(dtype):
    problem = VectorProblem(lambda x: np.ones(len(x), dtype), lambda rng: np.zeros(2))
    problem.start(0)
    with pytest.raises(ValueError, match=f"not ndarray of {np.dtype(dtype)}"):
        problem.losses([(0.1, Noise(1))], 0)


def test_masked_losses_are_refused():
    losses = np.ma.masked_array([1.0], mask=[True])
    problem = VectorProblem(lambda x: losses, lambda rng: np.zeros(2))
    problem.start(0)
    with pytest.raises(ValueError, match="masked"):
        problem.losses([(0.1, Noise(1))], 0)


@pytest.mark.parametrize("minimum", [math.nan, math.inf, -math.inf, None, "0", 1j, np.zeros(2)])
def test_a_minimum_that_is_no_finite_number_is_refused(minimum):
    with pytest.raises(BadInput, match="the minimum of a problem is a finite number, not "):
        VectorProblem(lambda x: x.sum(axis=1), lambda rng: rng.normal(size=3), minimum)
    VectorProblem(lambda x: x.sum(axis=1), lambda rng: rng.normal(size=3), np.float32(2.0))


def test_scores_see_the_point_and_not_the_last_probe():
    """In a loop of one's own too, where nobody calls flush."""

    class Ones(InPlaceProblem):
        def start(self, seed):
            self.weight = torch.ones(50)
            self.params = TensorParams([("weight", self.weight)])
            return self.params

        def loss(self, seed):
            return float(self.weight.square().sum())

        def score(self):
            return {"loss": self.loss(0)}

        def finish(self):
            return {"sum": float(self.weight.sum())}

    problem = Ones()
    problem.start(0)
    problem.losses([(0.5, Noise(1)), (-0.5, Noise(1))], 0)
    assert problem.score()["loss"] == pytest.approx(50.0, abs=1e-4)
    problem.losses([(0.5, Noise(1))], 0)
    assert problem.finish()["sum"] == pytest.approx(50.0, abs=1e-4)


def test_old_names_of_attributes_work_and_warn():
    problem = zobench.problem("sphere", dim=3)
    params = problem.start(0)
    problem.losses([(0.0, Noise(0))], 0)
    with pytest.warns(DeprecationWarning, match="probe_scores"):
        assert problem.seen == problem.probe_scores is not None
    with pytest.warns(DeprecationWarning, match="probe_scores"):
        problem.seen = [1.0]
    assert problem.probe_scores == [1.0]
    with pytest.warns(DeprecationWarning, match="groups_where"):
        assert params.chosen(lambda group: True) == list(params.groups)
