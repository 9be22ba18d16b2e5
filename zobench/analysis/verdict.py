"""The verdict of a comparison: which estimator reaches the targets sooner, with intervals.

Two estimators are compared at the final target of each problem, which the suite fixes before any
run. If that shows no difference, they are also compared at the hardest target that both reached in
at least half of their runs, and that is reported if it shows more. Targets that all runs of both
met with their first query are not part of that, nor of seconds: they do not depend on the method. A
verdict on two estimators makes up to CLAIMS comparisons, which hold jointly at its level
(Bonferroni); one on more reports seconds only where queries differ. First-order references are
compared, and labelled, but never ranked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from zobench.analysis.frames import first_order
from zobench.analysis.interval import LEVEL, RESAMPLES
from zobench.analysis.overview import REFERENCE, PairSpeedups, overview
from zobench.analysis.ranking import Ranking, rank
from zobench.analysis.resampling import forget
from zobench.analysis.runlengths import Cases, Unit, at_targets
from zobench.analysis.sentences import pair_sentence
from zobench.analysis.speedup import Speedup, speedup_of
from zobench.analysis.targets import Targets, common_of, final_targets, often_reached
from zobench.errors import BadInput, unknown

CLAIMS = 4  # on two estimators: in queries and seconds, at the final and at an easier target


@dataclass(frozen=True)
class PairVerdict:
    """The comparison of two estimators.

    Attributes:
        a: an estimator.
        b: the estimator that `a` is compared with.
        lines: sentences.
        queries: the speed-up in queries at the final targets.
        seconds: the speed-up in seconds at the final targets.
        easier: in queries and seconds at easier targets, if these show more; otherwise None.
    """

    a: str
    b: str
    lines: tuple[str, ...]
    queries: Speedup
    seconds: Speedup
    easier: tuple[Speedup, Speedup] | None


@dataclass(frozen=True)
class Verdict:
    """The comparison of all estimators.

    Attributes:
        lines: sentences.
        ranking: the order of the estimators; None for two.
        pairs: the pairs that were compared.
    """

    lines: tuple[str, ...]
    ranking: Ranking | None
    pairs: tuple[PairVerdict, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


class PairComparer:
    """The run tables of one suite, from which pairs of estimators are compared."""

    def __init__(
        self,
        runs: pd.DataFrame,
        problems: pd.DataFrame,
        tables: Mapping[Unit, pd.DataFrame],
    ) -> None:
        """Prepare the comparisons.

        Args:
            runs: one row per run.
            problems: one row per target of a problem.
            tables: the `run_tables` of these runs.
        """
        self.queries = tables["queries"]
        self.lengths = Cases(self.queries), Cases(tables["seconds"])
        self.at_once = _met_at_once(self.queries)
        self.often = often_reached(self.queries)
        self.references = first_order(runs)
        self.final = final_targets(problems)
        of_estimator = runs.groupby("estimator")["problem"].unique()
        self.problems = {str(name): set(problems_of) for name, problems_of in of_estimator.items()}

    def pair(
        self,
        a: str,
        b: str,
        level: float = LEVEL,
        resamples: int = RESAMPLES,
        seed: int = 0,
        single_level: float | None = None,
    ) -> PairVerdict:
        """Compare `a` with `b`, on the problems that were planned for either; see `speedup_of`."""
        names = self._label(a, b), self._label(b, a)
        either = self.problems[a] | self.problems[b]
        final = {p: index for p, index in self.final.items() if p in either}
        queries, seconds = self._speedups(a, b, final, level, resamples, seed, single_level)
        lines = [pair_sentence(queries, seconds, names, "the final target")]
        common, easier = common_of(self.often, a, b), None
        common = {p: i for p, i in common.items() if not self._by_both_at_once(a, b, p, i)}
        if not queries.shown and any(index != final[p] for p, index in common.items()):
            speedups = self._speedups(a, b, common, level, resamples, seed, single_level)
            if speedups[0].shown or not (queries.count("both") or speedups[0].too_few):
                easier = speedups
                target = "the hardest target that both reach in half their runs"
                scope = f"on {len(common)}/{len(final)} problems"
                lines.append(pair_sentence(*easier, names, target, scope))
        return PairVerdict(a, b, tuple(lines), queries, seconds, easier)

    def at_start(self, names: Sequence[str]) -> list[str]:
        """Return a line on problems whose final target runs of `names` met at the start, if any."""
        table = at_targets(self.queries, self.final)
        flags = table.loc[table["estimator"].isin(names)].groupby("problem", sort=False)["at_start"]
        parts = [f"{p} ({int(n)}/{total} runs)" for p, n, total in zip(*_columns(flags)) if n]
        if not parts:
            return []
        more = f" and {len(parts) - 3} more problems" if len(parts) > 3 else ""
        problems = ", ".join(parts[:3]) + more
        return [f"Met at the start or by the first query: the final target of {problems}."]

    def _speedups(self, a: str, b: str, targets: Targets, *options: Any) -> tuple[Speedup, Speedup]:
        queries, seconds = (
            {p: (lengths.get((p, i, a)), lengths.get((p, i, b))) for p, i in targets.items()}
            for lengths in self.lengths
        )
        for p, i in targets.items():
            if self._by_both_at_once(a, b, p, i):
                seconds[p] = None, None
        return speedup_of(queries, a, b, *options), speedup_of(seconds, a, b, *options)

    def _by_both_at_once(self, a: str, b: str, problem: str, index: int) -> bool:
        return {(problem, index, a), (problem, index, b)} <= self.at_once

    def is_reference(self, name: str, other: str) -> bool:
        """Return True if `name` is a first-order reference and `other` is not."""
        return self.references[name] and not self.references[other]

    def _label(self, name: str, other: str) -> str:
        alone = self.is_reference(name, other)
        return f"{name} ({REFERENCE})" if alone else name


def _met_at_once(queries: pd.DataFrame) -> set[tuple[str, int, str]]:
    """The (problem, target_index, estimator) whose runs all met the target at the start."""
    cell = ["problem", "target_index", "estimator"]
    flags: Any = queries.groupby(cell, sort=False)["at_start"].all()
    return set(flags.index[flags])


def _columns(flags: Any) -> tuple[Any, Any, Any]:
    """Problems, runs that met the target at the start, and all runs."""
    sums = flags.sum()
    return sums.index, sums, flags.size()


def verdict(
    runs: pd.DataFrame,
    problems: pd.DataFrame,
    tables: Mapping[Unit, pd.DataFrame],
    estimators: Sequence[str] | None = None,
    against: str | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Verdict:
    """Compare estimators in plain words.

    Two estimators: one or two sentences, which hold jointly at `level`. More: a ranking with
    intervals, then the comparison of one of them (`against`, or the best ranked) with each other
    one. The intervals of these pairs hold jointly at `level` (Bonferroni, over all pairs if the
    best was chosen by the data); those of single problems hold separately. The `pairs` of the
    result have the complete sentences.

    Args:
        runs: one row per run.
        problems: one row per target of a problem.
        tables: the `run_tables` of these runs.
        estimators: the estimators. None: all.
        against: the estimator that the others are compared with. None: the best ranked.
        level: of the intervals.
        resamples: bootstrap resamples per problem.
        seed: of the resamples.

    Raises:
        BadInput: an estimator has no runs, or there are fewer than two.
    """
    comparer = PairComparer(runs, problems, tables)
    names = list(dict.fromkeys(estimators or comparer.references))
    for name in [*names, *([against] if against else [])]:
        if name not in comparer.references:
            raise unknown("estimator with runs", name, comparer.references)
    if len(names) < 2:
        raise BadInput("a verdict needs at least two estimators")
    if len(names) == 2:
        a, b = names if against != names[1] else names[::-1]
        one = comparer.pair(a, b, 1 - (1 - level) / CLAIMS, resamples, seed, level)
        return Verdict((*one.lines, *comparer.at_start(names)), None, (one,))
    ranked = [name for name in names if not comparer.references[name]] or names
    ranking = rank(comparer.queries, ranked, level)
    best = against or (ranking.names[0] if ranking.names else names[0])
    count = len(names) - 1 if against else math.comb(len(names), 2)
    level_each = 1 - (1 - level) / count
    order = [*ranking.names, *(name for name in names if name not in ranking.names)]
    pairs = tuple(
        comparer.pair(best, name, level_each, resamples, seed, level)
        for name in order
        if name != best
    )
    forget()
    speedups = [
        PairSpeedups(p.queries, p.seconds, p.easier, comparer.is_reference(p.b, best))
        for p in pairs
    ]
    lines = [ranking.sentence(), *overview(speedups, level), *comparer.at_start(names)]
    return Verdict(tuple(lines), ranking, pairs)
