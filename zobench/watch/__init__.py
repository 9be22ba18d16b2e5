"""Watching a policy: the best one of a run, found again by making the run again, as a film."""
