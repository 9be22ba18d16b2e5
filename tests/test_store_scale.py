"""What many stored runs cost, counted: it grows with their number, no faster."""

import tracemalloc
from collections import Counter

import pytest
from harness_tools import specs_of

from zobench.harness.plan import RunSpec
from zobench.harness.result import RunResult
from zobench.harness.store import Store

ROWS, HITS = 20, 6  # of the trace of a run, and targets that it hit
SIZES = (1_000, 3_000)
# Bytes per run that Python and NumPy hold at most while a table is read; the rest is pandas' own.
MOST = {"runs": 1_400, "hits": 1_400, "traces": 2_000}
HERE = {"zobench": "0", "cpu": "x"}


def filled(folder, count):
    """Specs of a store of so many runs."""
    folder.mkdir()
    specs = specs_of(folder, "walk", "walk:n=2", repetitions=count // 2)
    hits = [("current", i, 10.0**-i, i + 1, 0.1 * i) for i in range(HITS)]
    results = []
    for number, spec in enumerate(specs):
        trace = [(row, row * 0.1, 1.0 / (row + 1), 1.0 / (number + 1)) for row in range(ROWS)]
        about = {"describe": {"blocks": 1}, "scores": {"gap": 1.0 / (number + 1)}}
        results.append(RunResult(spec.key, "ok", hits=hits, trace=trace, **about))
    with Store.open(folder / "r") as store:
        store.begin(specs, HERE)
        store.add(results)
    return specs


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """(folder, specs) of each size."""
    root = tmp_path_factory.mktemp("scale")
    return [(root / str(n) / "r", filled(root / str(n), n)) for n in SIZES]


def test_reading_holds_little_more_than_the_frames(stores):
    peaks = {}
    for folder, specs in stores:
        with Store.open(folder, write=False, checked=True) as store:
            store.problems()  # loads pandas
            for name in MOST:
                tracemalloc.start()
                assert len(getattr(store, name)())
                peaks[name, len(specs)] = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
    few, many = SIZES
    for name, most in MOST.items():
        assert peaks[name, many] < most * many
        assert peaks[name, many] < 1.1 * many / few * peaks[name, few]


def test_the_number_of_statements_does_not_grow(stores):
    counts = []
    for folder, specs in stores:
        said = []
        with Store.open(folder, write=False) as store:
            store.db.set_trace_callback(said.append)
            for read in (store.runs, store.hits, store.traces, store.problems, store.specs):
                read()
            store.done(spec.key for spec in specs)
        counts.append(len(said))
    assert counts[0] == counts[1]


def test_to_resume_adds_nothing_and_derives_each_seed_once(stores, monkeypatch):
    for folder, specs in stores:
        seeds: Counter[tuple[str, int]] = Counter()
        with Store.open(folder) as store, monkeypatch.context() as patch:
            seed = RunSpec.problem_seed.fget

            def counted(spec, seed=seed, seeds=seeds):
                seeds[spec.problem.id, spec.repetition] += 1
                return seed(spec)

            patch.setattr(RunSpec, "problem_seed", property(counted))
            size = (folder / "results.sqlite").stat().st_size
            tables = ("problems", "plans", "runs", "hits", "traces", "environments", "checks")
            before = [store.db.execute(f"SELECT COUNT(*) FROM {t}").fetchone() for t in tables]
            store.begin(specs, HERE | {"commit": "another"})
            after = [store.db.execute(f"SELECT COUNT(*) FROM {t}").fetchone() for t in tables]
        assert before == after
        assert (folder / "results.sqlite").stat().st_size == size
        assert set(seeds.values()) == {1}
