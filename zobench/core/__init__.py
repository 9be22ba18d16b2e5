"""Contracts of estimators and problems, and what most of them are made of. NumPy alone."""
