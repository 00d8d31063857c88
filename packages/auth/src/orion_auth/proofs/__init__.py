"""Proving again who one is, inside a session."""
