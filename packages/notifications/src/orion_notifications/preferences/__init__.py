"""Preferences: what a user wants to hear, where, and when not."""
