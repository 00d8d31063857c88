"""Duties that nobody may have together."""
