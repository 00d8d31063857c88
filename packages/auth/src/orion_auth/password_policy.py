"""What a new password has to be: put together once by `app`, asked of wherever one is chosen."""

from dataclasses import dataclass
from typing import Protocol


class BreachedPasswords(Protocol):
    """A list of passwords that are known."""

    async def contains(self, password: str) -> bool:
        """Whether it is on the list; False when the list cannot be read, which is logged."""
        ...

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True)
class PasswordPolicy:
    """What a new password has to be, beside its length."""

    minimum_score: int
    """Of zxcvbn, 0 to 4."""
    product_name: str
    breached: BreachedPasswords | None
