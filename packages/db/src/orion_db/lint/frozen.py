"""Acceptances of revisions that were applied before `lint` was there, and whose files may not change any more.

A new revision says `accepted = {…}` itself. By service and revision: rule and reason.
"""

FROZEN: dict[tuple[str, str], dict[str, str]] = {}
