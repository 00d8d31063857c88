"""Giving out opaque tokens, using them up, rotating and revoking them, inside the transactions of other slices."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.places import NOWHERE, Place
from orion_auth.tokens import store
from orion_auth.tokens.rules import BearerToken, TokenStatus, client_digest, parse
from orion_auth.tokens.tables import TokenType
from orion_auth.user_agents import Client, describe
from orion_core.database import Transaction
from orion_core.dpop import Proof
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.secrets import hash_secret, new_secret, new_selector
from orion_core.statement import Look
from orion_core.tables import IpAddress


@dataclass(frozen=True)
class Bearer:
    """Who holds a token, as far as the network told."""

    ip_address: IpAddress
    user_agent: str | None
    device_id: str | None = None
    proof: Proof | None = None
    """Of a key that it holds (RFC 9449); what it is given is bound to that key."""
    device_secret: str | None = field(default=None, repr=False)
    """What a trusted device proves itself with."""
    fingerprint: str | None = None
    """SHA-256 of the traits that the client shows; anybody can imitate them."""
    place: Place = NOWHERE
    """Filled in where a session may begin."""

    @property
    def client(self) -> Client:
        """What its user agent says it is."""
        return describe(self.user_agent)

    @property
    def jkt(self) -> str | None:
        """Thumbprint of the key that it has proved to hold."""
        return self.proof.jkt if self.proof is not None else None


@dataclass(frozen=True)
class NewSession:
    """The session that a first refresh token belongs to."""

    id: UUID
    user_id: UUID
    started_at: datetime
    expires_at: datetime
    """When it ends, however often it is refreshed."""
    idle: timedelta
    """It ends sooner when it is not refreshed for this long."""
    client_id: str
    amr: tuple[str, ...]
    """How its owner proved who he is (RFC 8176)."""
    security_epoch: int


@dataclass(frozen=True)
class Confirmed:
    """What somebody who gets the mails of an address confirms by its link or its code: the registration it was for."""

    user_id: UUID
    email: str
    password_hash: str | None = field(repr=False)
    """Of the password given in that registration."""


MAILED_CODE = "mailed code"
"""What the keyring derives the key of code hashes for."""


@dataclass(frozen=True)
class MailedKey:
    """What one mail to sign in with opens: by its link, or by its code together with the handle."""

    selector: str
    link_secret: str = field(repr=False)
    handle_secret: str = field(repr=False)

    @property
    def link(self) -> str:
        """The token in the link."""
        return BearerToken(self.selector, self.link_secret).text

    @property
    def handle(self) -> str:
        """What whoever asked for the mail shows with the code."""
        return BearerToken(self.selector, self.handle_secret).text


@dataclass(frozen=True)
class KnownSession:
    """A live session, as its present refresh token tells."""

    id: UUID
    device_id: str | None
    ip_address: IpAddress | None
    user_agent: str | None
    country: str | None
    city: str | None
    started_at: datetime
    last_used_at: datetime
    """When it was last refreshed."""
    expires_at: datetime
    """When it ends unless it is refreshed."""
    authenticated_at: datetime
    amr: tuple[str, ...]


async def issue_email_verification(
    transaction: Transaction, confirmed: Confirmed, bearer: Bearer, *, now: datetime, expires_at: datetime
) -> str:
    """A token that verifies this address of this user, once."""
    metadata = {"email": confirmed.email, "password_hash": confirmed.password_hash}
    values = {"user_id": confirmed.user_id, "type": TokenType.EMAIL_VERIFICATION, "metadata": metadata}
    return await _issue(transaction, values, bearer, now=now, expires_at=expires_at)


async def email_verification_owner(connection: AsyncConnection, text: str) -> UUID | None:
    """Whose address a verification token is for; None when it is not one."""
    token = parse(text)
    found = await _find(connection, token) if token is not None else None
    return found.user_id if found is not None and found.type is TokenType.EMAIL_VERIFICATION else None


async def use_email_verification(transaction: Transaction, text: str, now: datetime) -> Confirmed | None:
    """Use up a verification token; None when it is not one, has ended or was used."""
    found = await _use(transaction, TokenType.EMAIL_VERIFICATION, text, now)
    if found is None:
        return None
    return Confirmed(found.user_id, found.metadata["email"], found.metadata.get("password_hash"))


async def email_verification_is_disputed(connection: AsyncConnection, user_id: UUID, bearer: Bearer) -> bool:
    """Whether somebody else than this client, as far as the network tells, has had the user's address mailed.

    A mail that has ended counts as long as it is remembered: whoever comes back to it asks for another one, or takes
    the one that came last for it.
    """
    mine = client_digest(None, None, bearer.user_agent, bearer.ip_address)
    rows = await store.list_bearers(connection, user_id, TokenType.EMAIL_VERIFICATION)
    return any(client_digest(None, None, row.user_agent, row.ip_address) != mine for row in rows)


async def forget_passwords(transaction: Transaction, user_id: UUID) -> None:
    """Take the password hashes off a user's verification tokens: one of them is the identity's now."""
    await store.forget_passwords(transaction.connection, user_id)


async def email_verification_state(
    connection: AsyncConnection, text: str, now: datetime
) -> Literal["GOOD", "USED", "UNKNOWN"]:
    """What using a verification token would meet; changes nothing. An expired one is as unknown."""
    token = parse(text)
    found = await _find(connection, token) if token is not None else None
    if found is None or found.type is not TokenType.EMAIL_VERIFICATION:
        return "UNKNOWN"
    if found.status is TokenStatus.USED:
        return "USED"
    return "GOOD" if found.status is TokenStatus.ACTIVE and found.expires_at > now else "UNKNOWN"


def issue_refresh(transaction: Transaction, session: NewSession, bearer: Bearer) -> str:
    """The first refresh token of a session, kept before the transaction is committed; it founds a family."""
    token_id = uuid7()
    values = {
        "id": token_id,
        "family_id": token_id,
        "type": TokenType.REFRESH,
        "user_id": session.user_id,
        "session_id": session.id,
        "client_id": session.client_id,
        "session_started_at": session.started_at,
        "auth_time": session.started_at,
        "amr": list(session.amr),
        "idle_seconds": int(session.idle.total_seconds()),
        "idle_until": session.started_at + session.idle,
        "security_epoch": session.security_epoch,
        "jkt": bearer.jkt,
    }
    token = BearerToken(new_selector(), new_secret())
    common = _common(token, bearer, session.started_at, session.expires_at)
    transaction.later(store.INSERT_REFRESH, common | values)
    return token.text


def new_mailed_key() -> MailedKey:
    """Secrets for a mail to sign in with; nothing is kept of them yet."""
    return MailedKey(new_selector(), new_secret(), new_secret())


async def keep_mailed_key(
    transaction: Transaction,
    keyring: Keyring,
    user_id: UUID,
    key: MailedKey,
    code: str,
    bearer: Bearer,
    now: datetime,
    expires_at: datetime,
    *,
    asked_for: str,
) -> None:
    """Whoever reads the mail can use the key, once; earlier ones of the same device or network are worthless."""
    await store.revoke_mailed_keys(transaction.connection, user_id, now, asked_for=asked_for)
    values = {
        "user_id": user_id,
        "type": TokenType.MAGIC_LINK,
        "token": key.selector,
        "token_hash": hash_secret(key.link_secret),
        "issued_at": now,
        "expires_at": expires_at,
        "ip_address": bearer.ip_address,
        "user_agent": bearer.user_agent,
        "metadata": {
            "asked_for": asked_for,
            "handle_hash": hash_secret(key.handle_secret).hex(),
            "code_hash": keyring.mac(MAILED_CODE, f"{key.selector}:{code}".encode()).hex(),
        },
    }
    await store.insert_token(transaction.connection, values)


async def take_back_mailed_keys(transaction: Transaction, user_id: UUID, now: datetime) -> None:
    """Make worthless what was mailed to sign in with: whoever reads the address it went to need not be the user."""
    await store.revoke_mailed_keys(transaction.connection, user_id, now)


async def use_mailed_link(transaction: Transaction, text: str, now: datetime) -> UUID | None:
    """Whose link it is, which is then used up; None when it is none, has ended or was used."""
    found = await _use(transaction, TokenType.MAGIC_LINK, text, now)
    return found.user_id if found is not None else None


async def use_mailed_code(
    transaction: Transaction, keyring: Keyring, handle: str, code: str, now: datetime
) -> UUID | None:
    """Whose code it is, which is then used up; None when it is wrong.

    A wrong try counts when the transaction is committed; the caller must commit it.
    """
    token = parse(handle)
    found = await store.count_code_try(transaction.connection, token.selector, now) if token is not None else None
    if token is None or found is None:
        return None
    knows_handle = hmac.compare_digest(found.metadata["handle_hash"], hash_secret(token.secret).hex())
    knows_code = keyring.verify_mac(
        MAILED_CODE, f"{token.selector}:{code}".encode(), bytes.fromhex(found.metadata["code_hash"])
    )
    if not (knows_handle and knows_code):
        return None
    await store.use_up(transaction.connection, token.selector, now)
    return found.user_id


async def list_sessions(
    connection: AsyncConnection, user_id: UUID, now: datetime, after: UUID | None = None, limit: int | None = None
) -> list[KnownSession]:
    """The live sessions of a user, the latest first, going on after the session `after`."""
    rows = await store.list_sessions(connection, user_id, now, after=after, limit=limit)
    return [_session(row) for row in rows]


def live_by_last_use(user_id: UUID, now: datetime) -> Look[Sequence[UUID]]:
    """The live sessions of a user, the one that was not used for longest first."""
    return Look(store.LIVE_BY_LAST_USE, {"user_id": user_id, "now": now}, lambda row: row.session_ids)


async def find_session(
    connection: AsyncConnection, user_id: UUID, session_id: UUID, now: datetime
) -> KnownSession | None:
    """A live session of a user."""
    rows = await store.list_sessions(connection, user_id, now, session_id=session_id)
    return _session(rows[0]) if rows else None


async def note_proof(
    transaction: Transaction,
    user_id: UUID,
    session_id: UUID,
    amr: tuple[str, ...],
    now: datetime,
    *,
    auth_time: datetime | None = None,
) -> bool:
    """Note by what the owner of a session has proved who he is, now or at `auth_time`; False when it has ended."""
    await store.hold_session(transaction.connection, user_id, session_id)
    return await store.note_proof(transaction.connection, user_id, session_id, amr, auth_time or now, now)


async def hold_session(transaction: Transaction, user_id: UUID, session_id: UUID) -> None:
    """Let no refresh carry the session on until the transaction ends; one that is under way is waited for.

    Without it, a successor that is written while the session ends would be missed, and live on.
    """
    await store.hold_session(transaction.connection, user_id, session_id)


async def revoke_session(transaction: Transaction, user_id: UUID, session_id: UUID, reason: str, now: datetime) -> bool:
    """Revoke the refresh tokens of one session; False when none of them was active."""
    return await store.revoke_session(transaction.connection, user_id, session_id, reason, now)


async def revoke_sessions(
    transaction: Transaction, user_id: UUID, reason: str, now: datetime, *, keep: UUID | None, spare: str | None = None
) -> Sequence[UUID]:
    """Revoke the refresh tokens of a user's sessions but `keep` and those whose `amr` has `spare`; say which they were.

    Refreshes that are under way are waited for. What begins a session must hold the identity, and so must the caller.
    """
    await store.hold_sessions(transaction.connection, user_id)
    return await store.revoke_sessions(transaction.connection, user_id, reason, now, keep, spare)


async def expire_idle(transaction: Transaction, before: datetime, most: int) -> Sequence[tuple[UUID, UUID]]:
    """Expire up to `most` refresh tokens that should have been used before then, and name users and sessions.

    The sessions cannot be carried on until the transaction ends, nor after it. Of several who do this at once, each
    gets others.
    """
    rows = await store.expire_idle(transaction.connection, before, most)
    return [(row.user_id, row.session_id) for row in rows]


def _session(row: AnyRow) -> KnownSession:
    place: dict[str, Any] = row.location or {}
    return KnownSession(
        id=row.session_id,
        device_id=row.device_id,
        ip_address=row.ip_address,
        user_agent=row.user_agent,
        country=place.get("country"),
        city=place.get("city"),
        started_at=row.session_started_at,
        last_used_at=row.issued_at,
        expires_at=min(row.idle_until or row.expires_at, row.expires_at),
        authenticated_at=row.auth_time,
        amr=tuple(row.amr),
    )


async def sessions_on_device(transaction: Transaction, user_id: UUID, device_id: str, now: datetime) -> Sequence[UUID]:
    """The living sessions that were begun on one of the user's devices; refreshes under way are waited for."""
    await store.hold_sessions(transaction.connection, user_id)
    return await store.sessions_on_device(transaction.connection, user_id, device_id, now)


async def _issue(
    transaction: Transaction, values: dict[str, Any], bearer: Bearer, *, now: datetime, expires_at: datetime
) -> str:
    token = BearerToken(new_selector(), new_secret())
    await store.insert_token(transaction.connection, _common(token, bearer, now, expires_at) | values)
    return token.text


def _common(token: BearerToken, bearer: Bearer, now: datetime, expires_at: datetime) -> dict[str, Any]:
    return {
        "token": token.selector,
        "token_hash": hash_secret(token.secret),
        "issued_at": now,
        "expires_at": expires_at,
        "ip_address": bearer.ip_address,
        "user_agent": bearer.user_agent,
        "device_id": bearer.device_id,
        "location": bearer.place.known,
    }


async def _use(transaction: Transaction, token_type: TokenType, text: str, now: datetime) -> AnyRow | None:
    """Use a token up; None when it is none of the type, has ended or was used."""
    token = parse(text)
    if token is None:
        return None
    return await store.use(transaction.connection, token_type, token.selector, hash_secret(token.secret), now)


async def _find(connection: AsyncConnection, token: BearerToken) -> AnyRow | None:
    """The row of a token whose secret is right; the selector alone finds nothing."""
    found = await store.find(connection, token.selector)
    if found is None or not hmac.compare_digest(found.token_hash, hash_secret(token.secret)):
        return None
    return found
