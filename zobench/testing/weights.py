"""The contract of an estimator on torch modules: weights of 16 bits, saved states, records."""

from __future__ import annotations

import copy
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zobench.core.ask_tell import Adapted
from zobench.core.directions import Probe
from zobench.core.estimator import ComposedEstimator, Finished
from zobench.errors import BadInput, Unsuitable
from zobench.harness.elements import seed_generators
from zobench.registry import Entry, estimators
from zobench.testing.contract import Breach, CheckSubject, NotApplicable
from zobench.testing.estimators import check, entry_of, run
from zobench.testing.spheres import Shapes, TensorSphere, shapes_for

if TYPE_CHECKING:
    import torch

SHAPES: Shapes = ((6, 6), (7, 4))  # d = 64
STEPS, SEEDS = 200, 5


@check("precision", "solves")
def it_improves_a_module_of_any_precision(subject: CheckSubject) -> None:
    """It improves weights of 32 and of 16 bits."""
    entry = entry_of(subject)
    for dtype in ("float32", "bfloat16", "float16"):
        improves(entry, dtype)


def improves(entry: Entry, dtype: str) -> None:
    """Raise Breach unless an estimator halves the gap of a sphere of tensors of that type.

    The run ends early at a tenth of the gap.
    """
    problem = TensorSphere(shapes_for(entry), dtype=dtype)
    settings = dict(entry.sanity)
    if "eps" in entry.defaults:  # a probe must change numbers with 8 bits of mantissa
        settings["eps"] = max(0.05, settings.get("eps", 0.0))
    problem.start(1)
    start = problem.score()["gap"]

    def is_enough() -> bool:
        return problem.score()["gap"] < 0.1 * start

    run(with_sanity(entry, settings), problem, 3000, is_enough=is_enough)
    share = problem.score()["gap"] / start
    if not share < 0.5:
        raise Breach(f"leaves {share:.2g} of the gap of a sphere of {dtype} tensors after 3000 "
                     "queries: move by params.add or params.update, and make no step smaller "
                     "than 16 bits can hold")  # fmt: skip


def with_sanity(entry: Entry, settings: Mapping[str, Any]) -> Entry:
    """Return the entry with other settings for the checks."""
    from dataclasses import replace

    return replace(entry, sanity=settings)


class Script:
    """Losses and gradients that depend on the number of the call and not on the point."""

    def __init__(self, params: Any, seed: int, trace: Any = None) -> None:
        self.params, self.trace, self.draw = params, trace, np.random.default_rng(seed)
        self.slopes = [self.draw.standard_normal(block.size) for block in params.blocks]

    def __call__(self, probes: Sequence[Probe], batch: int | None = None) -> list[float]:
        """Return the next random losses; the minibatch does not matter."""
        if self.trace:
            self.trace.probed(probes)
        return self.draw.random(len(probes)).tolist()

    def gradient(self) -> tuple[float, list[Any]]:
        """Return the next random loss and gradient."""
        import torch

        if self.trace:
            self.trace.probed(())
        size = self.draw.random()
        return size, [
            torch.tensor(size * slope).to(block.tensor.dtype)
            for slope, block in zip(self.slopes, self.params.blocks)
        ]


def start_weights(dtype: torch.dtype, size: float, shapes: Shapes = SHAPES) -> list[torch.Tensor]:
    """Make weights of both signs between `size` and twice that, where bfloat16 has equal steps."""
    import torch

    draw = torch.Generator().manual_seed(0)
    tensors = []
    for shape in shapes:
        share = 0.3 + 0.4 * torch.rand(shape, generator=draw)
        signs = torch.randint(0, 2, shape, generator=draw) * 2 - 1
        tensors.append((signs * (size * (1 + share)).to(torch.bfloat16)).to(dtype))
    return tensors


def train(
    entry: Entry,
    dtype: torch.dtype,
    size: float,
    seed: int,
    rounding: int | None = None,
    steps: int = STEPS,
    observe: Callable[[Any], Any] | None = None,
) -> np.ndarray:
    """Run an estimator on scripted losses and return its points.

    `observe` makes the observer of the params, which also receives the probes of each call.
    """
    from zobench.engine.tensors import TensorParams

    tensors = start_weights(dtype, size, shapes_for(entry, SHAPES))
    params = TensorParams([(f"x{i}", t) for i, t in enumerate(tensors)], (), rounding)
    trace = params.observer = observe(params) if observe else None
    seed_generators(0)  # draws from global generators are reported by another check
    estimator = entry.build(entry.sanity)
    points = []
    try:
        estimator.start(params, seed)
        script = Script(params, seed, trace)
        points.append(params.flat())
        for _ in range(steps):
            estimator.step(script)
            points.append(params.flat())
    except Unsuitable as error:
        raise NotApplicable(str(error)) from error
    except Finished:
        pass
    finally:
        getattr(estimator, "close", lambda: None)()
    return np.array(points)


def coarse(entry: Entry) -> float:
    """Return a size of weights at which rounding bfloat16 to nearest loses moves.

    The steps of bfloat16 are still so short that the noise of 200 stochastic roundings, less than 5
    steps per coordinate, gives a deviation of 0.08 in the mean of `SEEDS` runs.
    """
    import torch

    points = train(entry, torch.float32, 0.0, 0)
    step = 0.08 * SEEDS**0.5 / 5 * (np.linalg.norm(points[-1] - points[0]) or 1.0)
    return 2.0 ** (np.round(np.log2(step)) + 7)


@check("rounding", "repeats")
def stochastic_rounding_moves_the_weights_as_float32_does(subject: CheckSubject) -> None:
    """With stochastic rounding, weights of 16 bits move on average as those of 32 bits do."""
    import torch

    entry = entry_of(subject)
    size = coarse(entry)
    along = square = 0.0  # sums of <move of 16 bits, move of 32 bits> and |move of 32 bits|^2
    for seed in range(SEEDS):
        exact = train(entry, torch.float32, size, seed)
        rounded = train(entry, torch.bfloat16, size, seed, rounding=seed + 100)
        assert np.array_equal(rounded[0], exact[0])
        move = exact[-1] - exact[0]
        along, square = along + (rounded[-1] - rounded[0]) @ move, square + move @ move
    if not square:
        raise NotApplicable("does not move on losses that do not depend on the point")
    if not abs(along / square - 1.0) <= 0.3:
        raise Breach(
            f"moves weights of 16 bits {along / square:.2g} times as far as those of 32 bits, with "
            "stochastic rounding: move by params.add, params.update and params.shrink alone, which "
            "round so"
        )


def network(entry: Entry, dtype: torch.dtype, width: int = 4) -> torch.nn.Sequential:
    """Make a small network with at most as many weights as the estimator takes."""
    import torch
    from torch import nn

    while entry.max_dim and width and width * width + 7 * width + 1 > entry.max_dim:
        width -= 1
    if not width:
        raise NotApplicable(f"takes {entry.max_dim} coordinates, fewer than any network has")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Linear(4, width), nn.Tanh(), nn.Linear(width, width), nn.Linear(width, 1)
    return nn.Sequential(*layers).to(dtype)


def regression(model: torch.nn.Module) -> Callable[[], torch.Tensor]:
    """Return a closure that computes the mean squared error of a network on 64 rows."""
    import torch

    draw = torch.Generator().manual_seed(1)
    x = torch.randn(64, 4, generator=draw)
    y, dtype = (x[:, :1] - x[:, 1:2]).sin(), next(model.parameters()).dtype
    return lambda: ((model(x.to(dtype)).float() - y) ** 2).mean()


def _equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    import torch

    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters()))


def _steps(optimizer: Any, model: torch.nn.Module, count: int) -> None:
    seed_generators(0)  # draws from global generators are reported by another check
    for _ in range(count):
        optimizer.step(regression(model))
    optimizer.flush()


def _by_name(subject: CheckSubject) -> Entry:
    """Return the entry; raise NotApplicable if ZerothOrder cannot make it by its name."""
    entry = entry_of(subject)
    if entry.first_order:
        raise NotApplicable("uses gradients: it is not made for ZerothOrder")
    try:
        by_name = estimators[subject.name]
    except BadInput:
        by_name = None
    if by_name is None or by_name.make is not entry.make:
        raise NotApplicable("not registered under its name, by which ZerothOrder makes it")
    return entry


@check("saved", "repeats")
def a_resumed_run_goes_on_bit_for_bit(subject: CheckSubject) -> None:
    """Its state is saved by ZerothOrder.state_dict, and a resumed run continues bit for bit."""
    import torch

    from zobench.optim import ZerothOrder

    entry = _by_name(subject)
    model = network(entry, torch.bfloat16)
    options = {"stochastic_rounding": True, "seed": 4}
    opt = ZerothOrder(model, subject.name, **options, **entry.sanity)  # pyright: ignore
    _steps(opt, model, 7)
    adapted = isinstance(entry.build(entry.sanity), Adapted)
    try:
        saved = opt.state_dict()
    except BadInput as error:
        reason = _without_name(error, entry)
        if adapted and "cannot be saved" in reason:
            raise NotApplicable(reason) from error
        raise Breach(f"has a state that is not saved: {reason}") from error
    if adapted:
        raise Breach("is another library's optimizer, whose state ZerothOrder took for its own")
    file = io.BytesIO()
    torch.save(saved, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    twin = copy.deepcopy(model)
    resumed = ZerothOrder(twin, subject.name)  # settings and seed come with the state
    resumed.load_state_dict(saved)
    _steps(opt, model, 9)
    _steps(resumed, twin, 9)
    same_rates = resumed.param_groups[0]["lr"] == opt.param_groups[0]["lr"]
    if not _equal(model, twin) or opt.queries != resumed.queries or not same_rates:
        raise Breach(
            "goes on otherwise after its state was saved and loaded: keep what it remembers in "
            "attributes of the object (numbers, words, arrays, lists), not in globals or closures"
        )


@check("recorded", "solves", "repeats")
def a_record_replays_bit_for_bit(subject: CheckSubject) -> None:
    """Its steps can be recorded as seeds and losses, and replayed bit for bit."""
    import torch

    from zobench.optim import ZerothOrder

    entry = _by_name(subject)
    estimator = entry.build(entry.sanity)
    settings: dict[str, Any] = dict(entry.sanity)
    if "eps" in entry.defaults:
        settings["eps"] = 0.05
    for delay in (False, True):
        model = network(entry, torch.bfloat16)
        before = copy.deepcopy(model)
        opt = ZerothOrder(
            [{"params": model[0].parameters()}, {"params": model[1:].parameters()}],
            subject.name, model=model, stochastic_rounding=True, delay=delay, **settings,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.zo"
            try:
                opt.record(path)
            except BadInput as error:
                reason = _without_name(error, entry)
                by_arrays = not isinstance(estimator, ComposedEstimator) and (
                    "only directions that replay from a seed" in reason or "not arrays" in reason
                )
                if path.exists():
                    raise Breach("leaves a record that it refuses to write") from error
                if isinstance(estimator, Adapted) or by_arrays:
                    raise NotApplicable(reason) from error
                raise Breach(f"has steps that are not recorded: {reason}") from error
            if isinstance(estimator, Adapted):
                raise Breach("probes at arrays of its own, which no record can hold, and yet "
                             "recording it did not fail")  # fmt: skip
            try:
                _record_and_replay(opt, path, model, before, subject)
            finally:
                opt.close()
        if not _equal(before, model):
            raise Breach(
                "moves otherwise when its record is replayed: make every move by params.add along "
                "directions that it probed, and draw nothing but from the seed given to start"
            )


def _without_name(error: BadInput, entry: Entry) -> str:
    """Return the text of an error without the entry's name at its front."""
    return str(error).removeprefix(f"{entry.name}: ").removeprefix(f"{entry.name} ")


def _record_and_replay(
    opt: Any, path: Path, model: Any, before: Any, subject: CheckSubject
) -> None:
    """Make ten steps, with settings that change, and replay them from `before`."""
    import torch

    from zobench.optim import replay

    entry = entry_of(subject)
    _steps(opt, model, 3)
    if "lr" in entry.defaults:
        opt.param_groups[1]["lr"] *= 0.7
    if isinstance(entry.build(entry.sanity), ComposedEstimator):
        opt.param_groups[0]["weight_decay"] = 0.1
    _steps(opt, model, 3)
    opt.step(regression(model))
    model(torch.zeros(1, 4, dtype=torch.bfloat16))  # a forward pass, which flushes pending moves
    _steps(opt, model, 3)
    if _equal(before, model):
        raise Breach("moves nothing in ten steps on a network: state settings that do, such as "
                     "sanity={'lr': 0.02}")  # fmt: skip
    # The user's file is given explicitly: replay never runs a file that a record names.
    options = {"estimator": subject.name} if subject.file else {}
    replay(path, before, **options)  # while it is being written
