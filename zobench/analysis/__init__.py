"""Statistics of runs: scores, intervals, tests, rankings and verdicts."""
