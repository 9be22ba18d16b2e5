"""The verdict of a comparison: who reaches the targets sooner, by how much, and how sure it is.

Two estimators are compared at the final target of each problem, which was chosen before any run.
Where a target is missed too often, a second sentence takes the hardest target that both reached in
at least half of their runs. First-order references are compared, and labelled, but never ranked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from zobench.analysis.frames import first_order
from zobench.analysis.interval import LEVEL, RESAMPLES
from zobench.analysis.ranking import Ranking, rank
from zobench.analysis.runlengths import at_targets, run_table
from zobench.analysis.sentences import pair_sentence
from zobench.analysis.speedup import Speedup, speedup
from zobench.analysis.targets import Targets, final_targets, hardest_common
from zobench.errors import BadInput, unknown

REFERENCE = " (first-order reference, not ranked)"


@dataclass(frozen=True)
class PairVerdict:
    """Two estimators in words, and the numbers behind the words (at the final targets)."""

    a: str
    b: str
    lines: tuple[str, ...]
    queries: Speedup
    seconds: Speedup


@dataclass(frozen=True)
class Verdict:
    """Plain words (`lines`), the ranking (None for two estimators), and each pair compared."""

    lines: tuple[str, ...]
    ranking: Ranking | None
    pairs: tuple[PairVerdict, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


class Comparison:
    """The run tables of one suite, from which pairs of estimators are compared."""

    def __init__(self, runs: pd.DataFrame, hits: pd.DataFrame, problems: pd.DataFrame) -> None:
        """The frames as the store gives them. Raises BadInput."""
        self.queries = run_table(runs, hits, problems, "queries")
        self.seconds = run_table(runs, hits, problems, "seconds")
        self.references = first_order(runs)
        self.final = final_targets(problems)
        asked = runs.groupby("estimator")["problem"].unique()
        self.asked = {str(name): set(found) for name, found in asked.items()}

    def pair(
        self, a: str, b: str, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
    ) -> PairVerdict:
        """`a` against `b`, on the problems that either was asked to run."""
        names = self._label(a, b), self._label(b, a)
        either = self.asked[a] | self.asked[b]
        final = {p: index for p, index in self.final.items() if p in either}
        queries, seconds = self._speedups(a, b, final, level, resamples, seed)
        lines = [pair_sentence(queries, seconds, names, "the final target")]
        common = hardest_common(self.queries, a, b)
        if any(index != final[problem] for problem, index in common.items()):
            easier = self._speedups(a, b, common, level, resamples, seed)
            target = "the hardest target that both reach in half their runs"
            scope = f"on {len(common)}/{len(final)} problems"
            if not easier[0].too_few:
                lines.append(pair_sentence(*easier, names, target, scope))
        return PairVerdict(a, b, tuple(lines), queries, seconds)

    def _speedups(
        self, a: str, b: str, targets: Targets, level: float, resamples: int, seed: int
    ) -> tuple[Speedup, Speedup]:
        both = (
            speedup(at_targets(table, targets), a, b, level, resamples, seed, list(targets))
            for table in (self.queries, self.seconds)
        )
        first, second = both
        return first, second

    def _label(self, name: str, other: str) -> str:
        alone = self.references[name] and not self.references[other]
        return name + REFERENCE if alone else name


def verdict(
    runs: pd.DataFrame,
    hits: pd.DataFrame,
    problems: pd.DataFrame,
    estimators: Sequence[str] | None = None,
    against: str | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Verdict:
    """Compare `estimators` (all, if not given) in plain words.

    Two: one or two sentences. More: a ranking with intervals, then each against `against`, or
    against the best ranked; the intervals of these pairs hold together at `level` (Bonferroni,
    over all pairs where the best was chosen by the data). Raises BadInput for an unknown name.
    """
    comparison = Comparison(runs, hits, problems)
    names = list(dict.fromkeys(estimators or comparison.references))
    for name in [*names, *([against] if against else [])]:
        if name not in comparison.references:
            raise unknown("estimator with runs", name, comparison.references)
    if len(names) < 2:
        raise BadInput("a verdict needs at least two estimators")
    if len(names) == 2:
        a, b = names if against != names[1] else names[::-1]
        one = comparison.pair(a, b, level, resamples, seed)
        return Verdict(one.lines, None, (one,))
    ranked = [name for name in names if not comparison.references[name]] or names
    ranking = rank(comparison.queries, ranked, level)
    best = against or (ranking.names[0] if ranking.names else names[0])
    count = len(names) - 1 if against else math.comb(len(names), 2)
    level_each = 1 - (1 - level) / count
    enough = max(resamples, math.ceil(20 / (1 - level_each)))  # ten beyond each limit
    order = [*ranking.names, *(name for name in names if name not in ranking.names)]
    pairs = tuple(
        comparison.pair(best, name, level_each, enough, seed) for name in order if name != best
    )
    lines = [ranking.sentence(), *(line for pair in pairs for line in pair.lines)]
    over = f"{count} pairs" + ("" if against else ", since the data chose the best")
    lines.append(f"The intervals of speed-ups hold together at {level:.0%} (Bonferroni, {over}).")
    return Verdict(tuple(lines), ranking, pairs)
