"""zobench: zeroth-order optimization, benchmarked in queries, seconds and memory."""

__version__ = "0.1.0"
