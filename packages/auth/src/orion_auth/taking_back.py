"""What a slice offers so that nothing is left to whoever came into somebody else's account."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from orion_core.database import Transaction

TakeBack = Callable[[Transaction, UUID, datetime, datetime], Awaitable[int]]
"""Takes off a user's account what was added to it since the first moment; the second is now. Says how much that was."""
