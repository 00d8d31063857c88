"""How long a sign-in mail is good for, and how often its code may be tried."""

from datetime import timedelta

LIFETIME = timedelta(minutes=10)
"""Of the link and of the code: the mail is read at once, or asked for again."""
