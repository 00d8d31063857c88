"""Refresh tokens that are shown: rotated, given again, or found to be copies."""
