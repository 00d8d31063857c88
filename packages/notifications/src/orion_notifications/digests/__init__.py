"""Digests: messages that are told of together, one mail for each window of a user."""
