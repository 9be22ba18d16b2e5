"""Synthetic objectives: functions with known minima, and noise on demand."""
