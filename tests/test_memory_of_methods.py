"""Memory of runs that share a process, and of the arrays that a method holds."""

import json

import numpy as np
import pytest
from harness_tools import specs_of, suite_of

import zobench
from zobench.harness import traced_memory
from zobench.harness.pool import run_all
from zobench.harness.state_bytes import state_bytes
from zobench.harness.store import Store


class Holder:
    """An estimator that holds what it is given."""

    def __init__(self, **held):
        vars(self).update(held)


def test_arrays_count_once_and_the_point_does_not_count():
    vector = np.zeros(1000)
    assert state_bytes(Holder(a=vector, b=vector[:10], c=[vector[::2]])) == 8000
    assert state_bytes(Holder(params=zobench.VectorParams(vector))) == 0
    assert state_bytes(Holder(problem=zobench.problem("sphere", dim=50))) == 0
    assert state_bytes(Holder(deep={"x": (np.zeros(3, np.float32), [Holder(y=vector)])})) == 8012
    assert state_bytes(Holder(direction=zobench.Dense(vector), noise=zobench.Noise(3))) == 8000


def test_tensors_count_by_their_storage():
    import torch

    weight = torch.zeros(10, 10)
    assert state_bytes(Holder(a=weight, b=weight.view(-1)[:3], c=torch.zeros(5).half())) == 410


def test_a_ring_of_objects_ends():
    ring = Holder(array=np.zeros(2))
    ring.ring = ring
    assert state_bytes(ring) == 16


@pytest.mark.parametrize(
    ("entry", "vectors"),
    [
        ("mezo", 0),
        ("random-search", 0),
        ("zo-momentum", 1),
        ("zo-adam", 2),
        ("adam-first-order", 2),
    ],
)
def test_methods_hold_the_vectors_that_their_docstrings_state(entry, vectors):
    problem = zobench.problem("sphere", dim=500)
    estimator, params = zobench.make(entry), problem.start(0)
    estimator.start(params, 1)
    evaluate = zobench.Oracle(problem, 1000, 0)
    for _ in range(3):
        estimator.step(evaluate)
    assert state_bytes(estimator) == vectors * 8 * 500


def test_a_run_that_shares_a_process_has_the_peak_of_a_traced_repetition(tmp_path):
    few, many = (specs_of(tmp_path, f"hoarder:mib={mib}", repetitions=1)[0] for mib in (2, 32))
    peaks = [traced_memory.peak_of(spec) for spec in (few, many)]
    assert 2 << 20 <= peaks[0] < 3 << 20
    assert 32 << 20 <= peaks[1] < 33 << 20


def test_what_a_traced_repetition_does_stays_in_its_fork(tmp_path, capfd):
    suite_of(tmp_path)
    (spec,) = specs_of(tmp_path, "walk", objective="bad", settings='kind = "exit", at = 1',
                       repetitions=1)  # fmt: skip
    assert np.isnan(traced_memory.peak_of(spec))
    assert capfd.readouterr() == ("", "")


def test_the_store_has_the_state_and_how_the_peak_was_measured(tmp_path):
    specs = specs_of(tmp_path, "hoarder:mib=3", "walk", repetitions=2)
    with Store.open(tmp_path / "r") as store:
        run_all(specs, store, 1)
        runs = store.runs().set_index("estimator_name")
    assert set(runs.memory_kind) == {"traced"}
    hoarder = runs[[name.endswith("hoarder") for name in runs.index]]
    assert (hoarder.state_bytes == 3 << 20).all()
    assert (hoarder.peak_memory >= 3 << 20).all()
    assert json.loads(hoarder.settings.iloc[0])["mib"] == 3
