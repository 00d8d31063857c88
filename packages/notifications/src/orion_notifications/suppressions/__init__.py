"""Suppressions: addresses that must not be written to."""
