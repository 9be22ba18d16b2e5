"""Leaderboards: rows made of results, kept in files, and verified."""
