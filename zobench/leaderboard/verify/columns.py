"""Columns of a leaderboard: what a cell of each may hold, and how cells of a row fit together."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from zobench.leaderboard.verify.table import short

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
UNKNOWN = "unknown"  # of a checkout without git, or a column that is younger than the row
NONE = "none"  # of a row that depends on no package but NumPy
PACKAGE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
COMMIT = r"[0-9a-f]{40}\+?"
RELEASE = r"[0-9A-Za-z][0-9A-Za-z.!+_-]*"  # a version, as packages write them

Row = Mapping[str, str]


def cell_fault(name: str, text: str) -> str:
    """What is wrong with a cell of a column, "" if nothing is."""
    if not text:
        return "" if name in MAY_BE_EMPTY else "empty"
    check = _CHECKS.get(name)
    wanted = check(text) if check else ""
    return f"{wanted}, not {short(text)}" if wanted else ""


def sum_fault(row: Row) -> str:
    """The first thing that does not add up among the cells of a row, each of which is right."""
    for problem in (_counts, _intervals, _speedup, _meters):
        if fault := problem(row):
            return fault
    if row["seed_root"] != f"{row['suite']}/{row['suite_version']}":
        return f"column seed_root: {row['suite']}/{row['suite_version']} by the other columns"
    if row["track"] != "tuned" and row["tuning_effort"] != "0":
        return f"column tuning_effort: 0 on the track {row['track']}, where nothing is tuned"
    return ""


def number(row: Row, name: str) -> float:
    """The number in a cell; NaN if it is empty."""
    return float(row[name]) if row.get(name) else math.nan


def packages_of(text: str) -> dict[str, str]:
    """Package -> its version, or several with | between, of a cell; empty where it names none."""
    parts = [part.partition(" ") for part in text.split("; ")]
    wrong = _each(RELEASE, "a version")
    right = all(PACKAGE.fullmatch(name) and not wrong(said) for name, _, said in parts)
    return (
        {name: said for name, _, said in parts} if right and len(parts) == len(set(parts)) else {}
    )


def same(a: float, b: float) -> bool:
    """Do two numbers agree to the six digits that a leaderboard keeps?"""
    return f"{a:.6g}" == f"{b:.6g}" or math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-12)


def _counts(row: Row) -> str:
    runs, failed, problems = (number(row, k) for k in ("n_runs", "n_failed", "n_problems"))
    if failed > runs:
        return f"column n_failed: {failed:.0f} of {runs:.0f} runs"
    if problems > runs:
        return f"column n_runs: {runs:.0f} runs on {problems:.0f} problems"
    if (problems == 0) != (runs == 0):
        return f"column n_problems: {problems:.0f} problems with {runs:.0f} runs"
    for name in SCORES:
        if runs and not row[name]:
            return f"column {name}: empty, though there are {runs:.0f} runs"
    for name in (*SCORES, "n_speedup", "speedup", "us_per_query", "peak_rss_mb"):
        if not runs and number(row, name) == number(row, name):
            return f"column {name}: {row[name]}, though there are no runs"
    if number(row, "success_rate") > 0 and number(row, "aocc") == 0:
        return "column aocc: 0, though final targets were reached"
    return ""


def _intervals(row: Row) -> str:
    for name in ("log_area", "aocc", "speedup"):
        value, low, high = (number(row, name + end) for end in ("", "_low", "_high"))
        if math.isnan(low) != math.isnan(high) or (math.isnan(value) and not math.isnan(low)):
            return f"column {name}_low: a value and both ends of its interval, or none"
        if low > value or value > high:
            return f"column {name}: {value:g} is outside of its interval [{low:g}, {high:g}]"
        if name in SCORES and (fault := _middle(value, low, high)):
            return f"column {name}: {value:g}, {fault} of [{low:g}, {high:g}]"
    if number(row, "log_area") > number(row, "aocc") + 1e-6:
        return "column log_area: above aocc, which no runs can have"
    return ""


def _middle(value: float, low: float, high: float) -> str:
    """Is a score the middle of its interval, which is cut at 0 and at 1? "" if so, or unknown."""
    off, fine = low + high - 2 * value, 2 * _digit(value) + _digit(low) + _digit(high)
    if low > 0 and high < 1 and abs(off) > fine:
        return "not the middle"
    if (low == 0 and high < 1 and off < -fine) or (high == 1 and low > 0 and off > fine):
        return "not the middle, before it was cut,"
    return ""


def _digit(value: float) -> float:
    """Half a unit of the sixth digit, and a little more."""
    return 0.505 * 10.0 ** (math.floor(math.log10(value)) - 5) if value > 0 else 0.0


def _speedup(row: Row) -> str:
    if row["baseline"] and not row["n_speedup"] and number(row, "n_runs"):
        return "column n_speedup: empty, though there is a baseline"
    if not row["baseline"] and row["speedup"]:
        return "column baseline: empty, though there is a speedup"
    if number(row, "n_speedup") > number(row, "n_problems"):
        return f"column n_speedup: {row['n_speedup']} of {row['n_problems']} problems"
    if bool(row["speedup"]) != (number(row, "n_speedup") > 0):
        there = "is a" if row["speedup"] else "is no"
        return f"column n_speedup: {row['n_speedup'] or 'empty'}, though there {there} speedup"
    if row["speedup"] and number(row, "success_rate") == 0:
        return "column success_rate: 0, though there is a speedup, of final targets"
    return ""


def _meters(row: Row) -> str:
    if number(row, "n_runs") > number(row, "n_failed") and not row["us_per_query"]:
        return "column us_per_query: empty, though there are runs that did not fail"
    return ""


def _whole(text: str) -> str:
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


def _one_of(*known: str) -> Callable[[str], str]:
    return lambda text: "" if text in known else f"one of {', '.join(known)}"


def _date(text: str) -> str:
    try:
        day = date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        day = None
    latest = datetime.now(UTC).date() + timedelta(days=1)  # somewhere it is tomorrow
    return "" if day is not None and day <= latest else "a day such as 2026-01-31, not to come"


def _hash(text: str) -> str:
    return "" if re.fullmatch(r"[0-9a-f]{16}", text) else "16 hex digits"


def _each(pattern: str, words: str) -> Callable[[str], str]:
    """One text of the pattern, or several different ones with | between."""
    known = re.compile(pattern)

    def check(text: str) -> str:
        parts = text.split(" | ")
        right = len(set(parts)) == len(parts) and all(map(known.fullmatch, parts))
        return "" if right else f"{words}, or several with | between"

    return check


def _packages(text: str) -> str:
    names = list(packages_of(text))
    right = text in (UNKNOWN, NONE) or (names and names == sorted(set(names)))
    return "" if right else "such as 'gymnasium 1.0.0; mujoco 3.3.7', in the order of names"


_CHECKS: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(SHARES, _real(0, 1, "a share from 0 to 1")),
    **dict.fromkeys(COUNTS, _whole),
    **dict.fromkeys(POSITIVE, _real(0, 1e300, "a finite number from 0")),
    "threads": _each(r"[1-9][0-9]{0,5}", "a number from 1"),
    "os": _each(r"[A-Z][A-Za-z]+ [0-9][^ |]*", "a system and its release"),
    "python": _each(r"3\.[0-9]{2}\.[0-9]+[^ |]*", "a version such as 3.11.7"),
    "numpy": _each(r"[0-9]\.[0-9]+\.[^ |]+", "a version such as 2.4.6"),
    "packages": _packages,
    "speedup_high": _real(0, math.inf, "a number from 0, or inf"),  # few runs bound nothing
    **dict.fromkeys(HASHES, _hash),
    "first_order": _one_of("True", "False"),
    "track": _one_of(*TRACKS),
    "verified": _one_of(*VERIFIED),
    "date": _date,
    "git_sha": _each(f"{COMMIT}|{UNKNOWN}", "a commit of 40 hex digits, with + if files changed"),
}
