"""Throttles: how many messages of a type one user gets in a window of time."""
