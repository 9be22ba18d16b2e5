"""Benchmarks of zobench itself: speed, measured interleaved, and rounding."""
