"""A version of a dataset as a page: what it is, how it looks, what changed, where it comes from."""
