"""From a request to stored runs, and to a comparison of them."""
