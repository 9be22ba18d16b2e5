"""The Python interface behind `zobench.compare` and `zobench.make`."""
