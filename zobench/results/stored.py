"""What a results folder holds: the runs that were asked for, and what came of them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from zobench.errors import BadInput, unknown
from zobench.harness.plan import RunSpec
from zobench.harness.suite_file import load
from zobench.results.results import Results, read_from

if TYPE_CHECKING:
    from zobench.harness.store import Store

DEFAULT_SUITE = "quick"


def stored(folder: Path | None, suite: str = "", without: Collection[str] = ()) -> Results:
    """All results of a suite, by name or file, that a folder (default: results/SUITE) holds.

    `without`: see `read`. `suite`: by default the folder's only one, or quick without a folder.
    Raises BadInput.
    """
    from zobench.harness.store import Store

    own = load(suite) if Path(suite).suffix == ".toml" else None
    name = own.name if own else suite
    folder = folder or Path("results") / (name or DEFAULT_SUITE)
    with Store.open(folder, write=False) as store:
        results = read_from(store, _specs(store, name), {}, [], without)
    results.suite = own
    return results


def stored_specs(folder: Path, suite: str = "") -> list[RunSpec]:
    """The runs that a folder holds of the suite of this name, or of its only one.

    Raises BadInput when there are none.
    """
    from zobench.harness.store import Store

    with Store.open(folder, write=False) as store:
        return _specs(store, suite)


def _specs(store: Store, suite: str) -> list[RunSpec]:
    specs, folder = store.specs(), store.folder
    made = store.done([spec.key for spec in specs])
    suites = list(dict.fromkeys(spec.suite for spec in specs))
    if suite not in ("", *suites):
        raise unknown(f"suite in {folder}", suite, suites)
    if len(suites) > 1 and not suite:
        raise BadInput(f"{folder} holds suites {', '.join(suites)}; choose one with --suite")
    specs = [spec for spec in specs if spec.suite in (suite, *suites[: not suite])]
    if not any(spec.key in made for spec in specs):
        raise BadInput(f"no results in {str(folder)!r}: no run was made yet")
    return specs
