"""What a new password has to be: put together once by `app`, asked of wherever one is chosen."""

from dataclasses import dataclass
from typing import Protocol


class BreachedPasswords(Protocol):
    """A list of passwords that are known."""

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, so that looking a password up keeps nobody waiting."""
        ...

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

    async def is_known_here(self, password: str) -> bool:
        """Whether a list on this machine has the password. A list elsewhere is asked when one is chosen, not here."""
        return self.breached is not None and self.breached.is_local and await self.breached.contains(password)
