"""The contents of results folders, as data frames, sentences and files."""
