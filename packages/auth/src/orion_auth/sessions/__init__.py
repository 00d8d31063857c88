"""Signing in and out, and what is refused before its time."""
