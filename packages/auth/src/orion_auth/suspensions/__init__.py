"""Shutting a user out until further notice, by an administrator."""
