"""Decisions: whether a message goes out, when, in which words, and why. One function decides for all who ask."""
