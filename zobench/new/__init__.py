"""`zobench new`: files to start from."""
