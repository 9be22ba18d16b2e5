"""Verify: leaderboards checked, row by row: their form, their hashes, and a sample run again."""
