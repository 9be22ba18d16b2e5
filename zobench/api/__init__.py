"""What users call from Python: the functions behind the names of `zobench`."""
