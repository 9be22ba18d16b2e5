"""Watch a policy: the best policy of a run, recomputed and filmed."""
