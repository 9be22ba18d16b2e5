"""What a results folder holds, as data frames, sentences and files."""
