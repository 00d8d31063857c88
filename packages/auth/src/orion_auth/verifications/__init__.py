"""Showing that an e-mail address is one's own, by link or by code."""
