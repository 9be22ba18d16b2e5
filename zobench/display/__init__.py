"""Text for the terminal: progress, tables and verdicts."""
