"""Prompt objectives: the model is frozen, and only what stands before the text moves."""
