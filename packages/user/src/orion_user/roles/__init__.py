"""Roles and what they inherit."""
