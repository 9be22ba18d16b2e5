"""Language-model fine-tuning objectives: a prompt, label words, a loss (the MeZO protocol)."""
