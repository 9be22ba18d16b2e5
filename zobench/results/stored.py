"""Read all results of a suite from a results folder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from zobench.errors import BadInput, unknown
from zobench.harness.plan import RunSpec
from zobench.harness.suite import DEFAULT_SUITE
from zobench.harness.suite_file import load
from zobench.results.results import Results, read_from

if TYPE_CHECKING:
    from zobench.harness.store import Store


def stored(folder: Path | None, suite: str = "", without: Collection[str] = ()) -> Results:
    """Read all results of a suite from a folder.

    Args:
        folder: the results folder; None: results/SUITE.
        suite: the name or file of the suite; "": the only one of the folder, or look without a
            folder.
        without: see `read`.

    Returns:
        The results.

    Raises:
        BadInput: the folder has no results, or none of the suite, or several suites to choose from.
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
    """Return the planned runs of a suite in a folder.

    Args:
        folder: the results folder.
        suite: the name of the suite; "": the only one of the folder.

    Raises:
        BadInput: no run was made.
    """
    from zobench.harness.store import Store

    with Store.open(folder, write=False) as store:
        return _specs(store, suite)


def _specs(store: Store, suite: str) -> list[RunSpec]:
    specs, folder = store.specs(), store.folder
    keys = store.done([spec.key for spec in specs])
    suites = list(dict.fromkeys(spec.suite for spec in specs))
    if suite not in ("", *suites):
        raise unknown(f"suite in {folder}", suite, suites)
    if len(suites) > 1 and not suite:
        raise BadInput(f"{folder} holds suites {', '.join(suites)}; choose one with --suite")
    specs = [spec for spec in specs if spec.suite in (suite, *suites[: not suite])]
    if not any(spec.key in keys for spec in specs):
        raise BadInput(f"no results in {str(folder)!r}: no run was made yet")
    return specs
