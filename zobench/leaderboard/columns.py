"""Columns of a leaderboard: what each cell may hold, and how the cells of a row fit together."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

TRACKS = ("default", "tuned", "user")
VERIFIED = ("none", "self", "rerun")
SHARES = (
    *("coverage", "success_rate", "log_area", "log_area_low", "log_area_high"),
    *("aocc", "aocc_low", "aocc_high"),
)
SCORES = ("success_rate", "log_area", "aocc")
COUNTS = ("tuning_effort", "n_problems", "n_runs", "n_failed", "n_speedup", "dimension")
POSITIVE = ("speedup", "speedup_low", "speedup_high", "us_per_query", "peak_rss_mb")
WORDS = ("suite", "suite_version", "method", "version", "seed_root")
HASHES = ("baseline_sha256", "targets_hash", "settings_hash", "data_sha256")
MAY_BE_EMPTY = {  # a row without any run has no scores, a single run no interval
    *SHARES[1:], *POSITIVE, "n_speedup", "baseline", "baseline_sha256", "group",
}  # fmt: skip
ROW_HASH = "row_sha256"
UNKNOWN = "unknown"  # in a checkout without git, or where the column is younger than the row
NONE = "none"  # for a row that depends on no package but NumPy
PACKAGE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
COMMIT = r"[0-9a-f]{40}\+?"
RELEASE = r"[0-9A-Za-z][0-9A-Za-z.!+_-]*"  # a version, as packages write them

CPU = (  # as harness.environment.cpu_name writes it
    r"(?=[^|]*[A-Za-z])[A-Za-z0-9]((?! \(family| \(model)[^|])*"
    r"(?<! )( \((family \d+, )?model \d+(, (AVX-512|AVX2))?\))?"
)

Cells = Mapping[str, str]  # column -> text


def quoted(cell: str) -> str:
    """Return a cell as messages quote it: printable, on one line, and at most 40 characters."""
    text = repr(cell)
    return text if len(text) <= 40 else f"{text[:37]}..."


def cell_fault(name: str, text: str) -> str:
    """Return what is wrong with a cell of column `name`, "" if nothing is."""
    if not text:
        return "" if name in MAY_BE_EMPTY else "empty"
    check = _CHECKS.get(name)
    fault = check(text) if check else ""
    return f"{fault}, not {quoted(text)}" if fault else ""


def sum_fault(cells: Cells) -> str:
    """Return the first contradiction between cells that are each right, "" if there is none."""
    for check in (_counts, _intervals, _speedup, _meters):
        if fault := check(cells):
            return fault
    if cells["seed_root"] != f"{cells['suite']}/{cells['suite_version']}":
        return f"column seed_root: {cells['suite']}/{cells['suite_version']} by the other columns"
    if cells["track"] != "tuned" and cells["tuning_effort"] != "0":
        return f"column tuning_effort: 0 on the track {cells['track']}, where nothing is tuned"
    return ""


def number(cells: Cells, name: str) -> float:
    """Return the number in a cell, NaN if it is empty."""
    return float(cells[name]) if cells.get(name) else math.nan


def packages_of(text: str) -> dict[str, str]:
    """Read the column `packages`: package -> version, or several versions with | between."""
    parts = [part.partition(" ") for part in text.split("; ")]
    wrong = _pattern(RELEASE, "a version")
    right = all(PACKAGE.fullmatch(name) and not wrong(version) for name, _, version in parts)
    if not right or len(parts) != len(set(parts)):
        return {}
    return {name: version for name, _, version in parts}


def agree(a: float, b: float) -> bool:
    """Return True if two numbers agree to the six digits that a leaderboard keeps."""
    return f"{a:.6g}" == f"{b:.6g}" or math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-12)


def _counts(cells: Cells) -> str:
    runs, failed, problems = (number(cells, k) for k in ("n_runs", "n_failed", "n_problems"))
    if failed > runs:
        return f"column n_failed: {failed:.0f} of {runs:.0f} runs"
    if problems > runs:
        return f"column n_runs: {runs:.0f} runs on {problems:.0f} problems"
    if (problems == 0) != (runs == 0):
        return f"column n_problems: {problems:.0f} problems with {runs:.0f} runs"
    for name in SCORES:
        if runs and not cells[name]:
            return f"column {name}: empty, though there are {runs:.0f} runs"
    for name in (*SCORES, "n_speedup", "speedup", "us_per_query", "peak_rss_mb"):
        if not runs and number(cells, name) == number(cells, name):
            return f"column {name}: {cells[name]}, though there are no runs"
    if number(cells, "success_rate") > 0 and number(cells, "aocc") == 0:
        return "column aocc: 0, though final targets were reached"
    return ""


def _intervals(cells: Cells) -> str:
    for name in ("log_area", "aocc", "speedup"):
        value, low, high = (number(cells, name + end) for end in ("", "_low", "_high"))
        if math.isnan(low) != math.isnan(high) or (math.isnan(value) and not math.isnan(low)):
            return f"column {name}_low: a value and both ends of its interval, or none"
        if low > value or value > high:
            return f"column {name}: {value:g} is outside of its interval [{low:g}, {high:g}]"
        if name in SCORES and (fault := _middle(value, low, high)):
            return f"column {name}: {value:g}, {fault} of [{low:g}, {high:g}]"
    if number(cells, "log_area") > number(cells, "aocc") + 1e-6:
        return "column log_area: above aocc, which no runs can have"
    return ""


def _middle(value: float, low: float, high: float) -> str:
    """Return "" if a score is the middle of its interval, which is cut at 0 and 1, else a fault."""
    off, fine = low + high - 2 * value, 2 * half_digit(value) + half_digit(low) + half_digit(high)
    if low > 0 and high < 1 and abs(off) > fine:
        return "not the middle"
    if (low == 0 and high < 1 and off < -fine) or (high == 1 and low > 0 and off > fine):
        return "not the middle, before it was cut,"
    return ""


def half_digit(value: float) -> float:
    """Return half a unit of the sixth digit, and a little more."""
    return 0.505 * 10.0 ** (math.floor(math.log10(value)) - 5) if value > 0 else 0.0


def _speedup(cells: Cells) -> str:
    if cells["baseline"] and not cells["n_speedup"] and number(cells, "n_runs"):
        return "column n_speedup: empty, though there is a baseline"
    if not cells["baseline"] and cells["speedup"]:
        return "column baseline: empty, though there is a speedup"
    if number(cells, "n_speedup") > number(cells, "n_problems"):
        return f"column n_speedup: {cells['n_speedup']} of {cells['n_problems']} problems"
    if bool(cells["speedup"]) != (number(cells, "n_speedup") > 0):
        there = "is a" if cells["speedup"] else "is no"
        return f"column n_speedup: {cells['n_speedup'] or 'empty'}, though there {there} speedup"
    if cells["speedup"] and number(cells, "success_rate") == 0:
        return "column success_rate: 0, though there is a speedup, of final targets"
    if number(cells, "speedup") == 0:
        return "column speedup: 0, which no runs that reached the target can have"
    return ""


def _meters(cells: Cells) -> str:
    if number(cells, "n_runs") > number(cells, "n_failed") and not cells["us_per_query"]:
        return "column us_per_query: empty, though there are runs that did not fail"
    return ""


def _whole_number(text: str) -> str:
    return "" if re.fullmatch(r"[0-9]{1,15}", text) else "a whole number from 0"


def _real(low: float, high: float, words: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:  # ASCII alone: float() also reads digits of other scripts, and "1_0"
            plain = text.isascii() and "_" not in text and text.strip() == text
            value = float(text) if plain else math.nan
        except ValueError:
            value = math.nan
        return "" if low <= value <= high else words

    return check


def _one_of(*words: str) -> Callable[[str], str]:
    return lambda text: "" if text in words else f"one of {', '.join(words)}"


def _date(text: str) -> str:
    try:
        day = date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        day = None
    latest = datetime.now(UTC).date() + timedelta(days=1)  # somewhere it is tomorrow
    return "" if day is not None and day <= latest else "a day such as 2026-01-31, not to come"


def _row_hash(text: str) -> str:
    return "" if text == UNKNOWN else _hash(text)


def _hash(text: str) -> str:
    return "" if re.fullmatch(r"[0-9a-f]{16}", text) else "16 hex digits"


def _pattern(pattern: str, words: str) -> Callable[[str], str]:
    """Check for one text of the pattern, or several different ones with | between."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        parts = text.split(" | ")
        right = len(set(parts)) == len(parts) and all(map(compiled.fullmatch, parts))
        return "" if right else f"{words}, or several with | between"

    return check


def _packages(text: str) -> str:
    names = list(packages_of(text))
    right = text in (UNKNOWN, NONE) or (names and names == sorted(set(names)))
    return "" if right else "such as 'gymnasium 1.0.0; mujoco 3.3.7', in the order of names"


_CHECKS: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(SHARES, _real(0, 1, "a share from 0 to 1")),
    **dict.fromkeys(COUNTS, _whole_number),
    **dict.fromkeys(POSITIVE, _real(0, 1e300, "a finite number from 0")),
    "us_per_query": _real(1e-3, 1e12, "a number from 0.001 to 1e12"),
    "cpu": _pattern(
        CPU, "the name of a processor, such as 'AMD EPYC (family 25, model 17, AVX-512)'"
    ),
    "threads": _pattern(r"[1-9][0-9]{0,5}", "a number from 1"),
    "os": _pattern(r"[A-Z][A-Za-z]+ [0-9][^ |]*", "a system and its release"),
    "python": _pattern(r"3\.[0-9]{2}\.[0-9]+[^ |]*", "a version such as 3.11.7"),
    "numpy": _pattern(r"[0-9]\.[0-9]+\.[^ |]+", "a version such as 2.4.6"),
    "packages": _packages,
    "speedup_high": _real(0, math.inf, "a number from 0, or inf"),  # few runs bound nothing
    **dict.fromkeys(HASHES, _hash),
    ROW_HASH: _row_hash,
    "first_order": _one_of("True", "False"),
    "track": _one_of(*TRACKS),
    "verified": _one_of(*VERIFIED),
    "date": _date,
    "git_sha": _pattern(
        f"{COMMIT}|{UNKNOWN}", "a commit of 40 hex digits, with + if files changed"
    ),
}
