"""What becomes here of the API keys that user tells of, and knowing one that is shown."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.api_keys import store
from orion_auth.identities import actions as identities
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import API_KEY_ISSUED, API_KEY_LEAKED, API_KEY_REVOKED, Kind
from orion_auth.sessions import actions as sessions
from orion_contracts.api_keys import ApiKeyChanged
from orion_contracts.claims import SERVICE_KEY
from orion_core.api_keys import ApiKeyText, Stage
from orion_core.database import Transaction
from orion_core.events.outbox import Outbox

NOBODYS_HASH = bytes(32)
KINDS: dict[str, Kind] = {"ISSUED": API_KEY_ISSUED, "REVOKED": API_KEY_REVOKED, "LEAKED": API_KEY_LEAKED}


@dataclass(frozen=True)
class KnownKey:
    """A key that is good now, and whoever has shown it has the secret."""

    id: UUID
    client_id: str
    user_id: UUID | None
    service: str | None
    scopes: frozenset[str]
    ends_at: datetime | None
    networks: Sequence[IPv4Network | IPv6Network] = field(repr=False)
    rate_limit: int | None
    """Requests a minute at each service."""

    @property
    def subject(self) -> str:
        """Whose tokens its tokens are."""
        return str(self.user_id) if self.user_id is not None else f"{SERVICE_KEY}{self.service}"

    def admits(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether it may be used from there; an empty list allows everywhere."""
        return not self.networks or any(address in network for network in self.networks)


async def follow(transaction: Transaction, outbox: Outbox, event: ApiKeyChanged, stage: Stage, now: datetime) -> None:
    """Take over what a key is now; end the tokens of one that has ended; tell its owner what he should know."""
    values = {
        "id": event.key_id,
        "prefix": event.prefix,
        "key_hash": bytes.fromhex(event.key_hash),
        "user_id": event.user_id,
        "service": event.service,
        "scopes": event.scopes,
        "allowed_cidrs": [str(cidr) for cidr in event.allowed_cidrs],
        "rate_limit": event.rate_limit,
        "ends_at": event.ends_at,
        "revoked_at": event.revoked_at,
    }
    await store.put(transaction.connection, values)
    has_ended = event.ends_at is not None and event.ends_at <= event.changed_at
    if event.revoked_at is not None or has_ended:
        await sessions.refuse_key(transaction, outbox, event.key_id, event.user_id, event.change, now)
    kind = KINDS.get(event.change)
    owner = await identities.find(transaction.connection, event.user_id, now) if event.user_id is not None else None
    if kind is not None and owner is not None:
        client_id = ApiKeyText(stage, event.prefix, "").client_id
        details = {"key_id": str(event.key_id), "name": event.name}
        circumstances = Circumstances(ip_address=event.ip_address, details=details, subject=client_id)
        await security_events.note(transaction, outbox, kind, owner, circumstances, event.changed_at)


async def forget(transaction: Transaction, user_id: UUID) -> None:
    """Forget the keys of a person who is erased."""
    await store.delete_of_user(transaction.connection, user_id)


async def know(connection: AsyncConnection, shown: ApiKeyText, now: datetime) -> KnownKey | None:
    """The key that somebody shows, if its secret is right and it is good now; the same work for an unknown prefix."""
    row = await store.find(connection, shown.prefix)
    is_right = hmac.compare_digest(row.key_hash if row is not None else NOBODYS_HASH, shown.secret_hash)
    if row is None or not is_right or row.revoked_at is not None or (row.ends_at is not None and row.ends_at <= now):
        return None
    return KnownKey(
        id=row.id,
        client_id=shown.client_id,
        user_id=row.user_id,
        service=row.service,
        scopes=frozenset(row.scopes),
        ends_at=row.ends_at,
        networks=[ip_network(str(cidr)) for cidr in row.allowed_cidrs],
        rate_limit=row.rate_limit,
    )
