"""Runs: planned, made in isolated processes within limits, and stored."""
