"""Functions with known optima: on vectors (rows at once) and on tensors (in place, any size)."""
