"""Noise: counter-based random directions that replay from (seed, block, stream), by slices."""
