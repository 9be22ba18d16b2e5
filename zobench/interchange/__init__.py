"""Results of zobench in the formats of other tools, and theirs as results of zobench."""
