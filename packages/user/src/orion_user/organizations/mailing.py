"""Having an invitation mailed: by an event whose link only notifications can open."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping

from orion_contracts.invitations import InvitationMailRequested, InvitationSecrets, invitation_place
from orion_core.database import Transaction
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.secrets import hash_secret, new_secret
from orion_user.desk import Desk
from orion_user.organizations import store
from orion_user.organizations.rules import InvitationToken
from orion_user.preferences import actions as preferences

LOCALE = "en"


@dataclass(frozen=True)
class Mailing:
    """What mailing an invitation needs."""

    keyring: Keyring = field(repr=False)
    """Seals links for notifications."""
    before_token: str
    """What the link is, but for its token."""

    async def send(
        self, desk: Desk, transaction: Transaction, row: RowMapping, organization: RowMapping, token: InvitationToken
    ) -> None:
        """Have the invitation sent, if `transaction` is committed, in the language of whoever has the address."""
        connection = transaction.connection
        guest = await store.verified(connection, row["email"])
        reader = guest or desk.user_id
        message_id = uuid7()
        secrets = InvitationSecrets(link=f"{self.before_token}{token.text}")
        event = InvitationMailRequested(
            message_id=message_id,
            membership_id=row["id"],
            organization_id=row["organization_id"],
            organization=organization["name"],
            recipient=row["email"],
            user_id=guest,
            locale=LOCALE if reader is None else (await preferences.read(connection, reader))["locale"],
            requested_at=desk.now,
            expires_at=row["expires_at"],
            secrets=self.keyring.seal_text(secrets.model_dump_json(), invitation_place(row["id"], message_id)),
        )
        await desk.outbox.record(transaction, event, desk.now)


def new_token() -> tuple[InvitationToken, dict[str, Any]]:
    """A token, and what is kept of it."""
    token = InvitationToken(uuid7(), new_secret())
    return token, {"invitation_token": token.selector, "invitation_token_hash": hash_secret(token.secret)}
