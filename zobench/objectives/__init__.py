"""The registered objectives, by family."""
