"""The checks, in groups."""
