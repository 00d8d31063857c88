"""How long a change of address may take, and who has to agree."""

from datetime import timedelta
from typing import Literal

LIFETIME = timedelta(hours=24)
"""Long enough to reach a mailbox that is seldom read."""

Side = Literal["NEW", "OLD"]
"""Whose word it is: of who reads the new address, or of who reads the old one."""
