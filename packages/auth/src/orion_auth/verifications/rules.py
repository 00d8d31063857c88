"""How long a verification mail is good for."""

from datetime import timedelta

LINK_LIFETIME = timedelta(hours=24)
CODE_LIFETIME = timedelta(minutes=30)
"""Shorter than the link's, since six digits can be guessed and the link cannot."""
