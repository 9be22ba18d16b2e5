"""Output of `zobench compare --fail-if-slower`: each measure, and why it fails or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zobench.analysis.sentences import factor as in_words
from zobench.analysis.slower import EACH, TIMED, Slowdown
from zobench.display import text


def slower_lines(slowdowns: Sequence[Slowdown]) -> Iterator[str]:
    """Yield a table with one row per estimator and measure; nothing for an empty list."""
    if not slowdowns:
        return
    factor, total = slowdowns[0].factor, len(slowdowns)
    bad = [s for s in slowdowns if s.slower]
    verdict = f"{len(bad)} of {total} measures" if bad else "nothing"
    if open_ := sum(not s.is_judged for s in slowdowns):
        verdict += f", and {open_} of {total} measures could not be judged"
    if open_ == total:
        verdict = "cannot tell, which fails as well: make more repetitions, or longer runs"
    rule = (
        f"more than {factor:g}x and p < {EACH:g} in all problems, or in one p < {EACH:g} / problems"
    )
    yield text.bold(f"Slower than stored runs: {verdict}") + f" ({rule})"
    rows = [[s.new, s.measure, _ratio(s), _p(s.p), _judgement(s)] for s in slowdowns]
    yield from text.table(["estimator", "measure", "now / stored", "p", "slower?"], rows, left=5)
    yield ""


def _ratio(s: Slowdown) -> str:
    return f"{in_words(s.ratio)}x" if s.problems else "-"


def _p(p: float) -> str:
    return "-" if p != p else f"{p:.2g}"


def _judgement(s: Slowdown) -> str:
    if not s.problems:
        short = "" if s.measure == "queries" else f", or runs under {TIMED * 1000:g} ms: too short"
        return f"not measured on both sides{short}"
    scope = f"{s.problems} problem{'s' * (s.problems != 1)}"
    if s.slower:
        name, ratio = s.worst
        sure = f"; by themselves {', '.join(s.alone)}" if s.alone else ""
        return f"SLOWER ({scope}; most on {name}: {in_words(ratio)}x{sure})"
    if s.too_few:
        return f"cannot tell ({scope}): so few runs give p >= {s.least:.2g}; more repetitions"
    if s.ratio > s.factor:
        return f"no ({scope}): may be chance"
    return f"no ({scope})"
