"""Noise: counter-based random directions that replay from (seed, block, stream), slice by slice."""
