"""How long a verification mail is good for."""

from datetime import timedelta

LIFETIME = timedelta(hours=1)
"""Of the link and of the code, since the mail names one time for both: long enough to find it, short for six digits."""
