"""Functions behind the public names of `zobench`."""
