"""Why an estimator is fast or slow on a problem: the quantities of the theory, measured."""
