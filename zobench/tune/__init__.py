"""Tuning, with the same number of trials for every estimator, on runs that are never scored."""
