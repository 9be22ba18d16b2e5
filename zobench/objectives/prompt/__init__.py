"""Prompt objectives: the model is frozen, and only the prompt before the text moves."""
