"""How long an invitation is good for, who may accept it, and what its mailed token looks like."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

LIFETIME = timedelta(days=7)
"""Over a holiday week; one that is found later is asked for again."""

BETWEEN_MAILS = timedelta(minutes=10)
"""Nobody's mailbox is filled by sending one invitation again and again, or by taking it back and inviting anew."""

TOLD_WITHIN = timedelta(days=1)
"""So long after an invitation has ended its sender is still told; later he knows."""

_FORM = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class InvitationToken:
    """What the link in a mail holds. Whoever shows it has read the mail."""

    selector: UUID
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The token as it is handed out."""
        return f"{self.selector.hex}.{self.secret}"


def parse(text: str) -> InvitationToken | None:
    """The parts of a token, or None when it cannot be one of ours."""
    match = _FORM.fullmatch(text)
    return InvitationToken(UUID(match[1]), match[2]) if match else None


def may_accept(invited: str, expires_at: datetime, email: str, verified_at: datetime | None, now: datetime) -> bool:
    """Whether a user may accept: he has shown that the address that was invited is his, and it is not too late."""
    return invited == email and verified_at is not None and now < expires_at


def mailed_again_at(invited_at: datetime) -> datetime:
    """From when on an organization can mail an address once more."""
    return invited_at + BETWEEN_MAILS
