"""The torch engine: a module's tensors as the point, moved in place or copied."""
