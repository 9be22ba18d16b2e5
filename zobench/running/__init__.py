"""Make the runs of a request, and compare them."""
