"""Passwords: hashing in a bounded lane, and resets."""
