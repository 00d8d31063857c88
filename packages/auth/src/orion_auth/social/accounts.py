"""A user's own linked accounts: which there are, one more, one less, and which is the primary one."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_auth.base import AnyRow
from orion_auth.callers import actions as callers
from orion_auth.identities import actions as identities
from orion_auth.oauth_connections import actions as oauth_connections
from orion_auth.passkeys import actions as passkeys
from orion_auth.providers.actions import TokenKind
from orion_auth.providers.rules import ProviderError
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import SOCIAL_UNLINKED
from orion_auth.social import arrivals, linking, store
from orion_auth.social.arrivals import Shown
from orion_auth.social.bridge import Bridge, authorization_is_dead, no_such_provider
from orion_auth.social.proofs import token_place
from orion_auth.social.rules import Arrival, decide
from orion_auth.social.shapes import LinkedAccount
from orion_auth.tokens.actions import Bearer
from orion_auth.ways_in import is_one_left, last_way_in
from orion_core.database import Database, Transaction
from orion_core.errors import Problem, not_found
from orion_core.sealing import SealError

log = structlog.get_logger()


async def list_of(database: Database, user_id: UUID) -> list[LinkedAccount]:
    """The user's linked accounts, oldest first."""
    async with database.autocommit() as connection:
        return [_shown(row) for row in await store.list_of_user(connection, user_id)]


async def link(
    bridge: Bridge, user_id: UUID, session_id: UUID, shown: Shown, bearer: Bearer, now: datetime
) -> LinkedAccount:
    """Link what the journey has proved to the user, who is told. Linking what is linked already only refreshes it.

    A 409 Problem when somebody else has linked it: an account elsewhere leads to one account here.
    """
    await rate_limits.take_social_login(bridge.database, bearer.ip_address, now)
    async with bridge.database.transaction() as transaction:
        held = await arrivals.hold(transaction, bridge, shown, now)
        if held is None:
            raise authorization_is_dead()
        flow, proof = held
        if await oauth_connections.enabled(transaction.connection, bridge.keyring, flow.provider) is None:
            raise no_such_provider()
        linked = await store.hold_subject(transaction.connection, flow.provider, proof.subject)
        await callers.hold(transaction, user_id, session_id, now)
        arrival = Arrival(
            linked_to=linked.user_id if linked is not None else None,
            signed_in=user_id,
            email=proof.email,
            email_is_proved=proof.email_is_verified,
            email_is_authoritative=False,
            holder=None,
            holder_is_verified=False,
        )
        if decide(arrival) == "LINKED_ELSEWHERE":
            raise _linked_elsewhere()
        if linked is None:
            account_id = await linking.link(
                transaction, bridge, user_id, flow.provider, proof, bearer, now, is_told=True
            )
        else:
            account_id = linked.id
            await linking.note_use(transaction, bridge, linked, proof, now)
        await store.use_up(transaction.connection, flow.id)
    return next(account for account in await list_of(bridge.database, user_id) if account.id == account_id)


async def unlink(
    bridge: Bridge, user_id: UUID, session_id: UUID, account_id: UUID, bearer: Bearer, now: datetime
) -> AnyRow:
    """Unlink an account, unless it is the last way in; a 409 Problem then. Two at once take turns.

    What comes back is for `give_back_tokens`.
    """
    async with bridge.database.transaction() as transaction:
        identity = await callers.hold(transaction, user_id, session_id, now)
        accounts = await store.list_of_user(transaction.connection, user_id)
        account = _found(accounts, account_id)
        others = [row for row in accounts if row.id != account_id]
        enabled = {name for name, _ in await oauth_connections.list_enabled(transaction.connection)}
        if not is_one_left(
            has_password=identity.password_hash is not None,
            passkeys=await passkeys.count_ways_in(transaction.connection, user_id),
            has_account_elsewhere=any(row.provider in enabled for row in others),
        ):
            raise last_way_in()
        await store.remove(transaction.connection, account_id)
        if account.is_primary and others:
            await store.set_primary(transaction.connection, user_id, others[0].id)
        details, seen = {"provider": account.provider}, bridge.gate.locate(bearer)
        circumstances = Circumstances.of(seen, details=details, subject=account.provider)
        await security_events.note(transaction, bridge.gate.outbox, SOCIAL_UNLINKED, identity, circumstances, now)
    return account


async def give_back_tokens(bridge: Bridge, unlinked: AnyRow, now: datetime) -> None:
    """Have the provider revoke the tokens of an account that is no longer linked, if it can be reached and does that.

    The refresh token first: most providers revoke with it what it was exchanged for.
    """
    kinds: tuple[TokenKind, ...] = ("refresh_token", "access_token")
    sealed: dict[TokenKind, bytes] = {
        kind: envelope for kind in kinds if (envelope := getattr(unlinked, kind)) is not None
    }
    try:
        async with bridge.database.autocommit() as connection:
            provider = await oauth_connections.enabled(connection, bridge.keyring, unlinked.provider)
        if provider is None:
            return
        for kind, envelope in sealed.items():
            token = bridge.keyring.open(envelope, token_place(kind, unlinked.id)).decode()
            await bridge.providers.revoke(provider, kind, token, now)
    except (ProviderError, SealError, SQLAlchemyError, OSError) as error:
        reason = error.reason if isinstance(error, ProviderError) else type(error).__name__
        log.info("social.tokens_not_revoked", account=str(unlinked.id), provider=unlinked.provider, reason=reason)


async def take_back(transaction: Transaction, user_id: UUID, since: datetime, _: datetime) -> int:
    """Unlink what was linked at `since` or later, when somebody else was in, and say how many those were.

    Also the last way in: whoever reads the mails of the account's address sets a password.
    """
    accounts = await store.list_of_user(transaction.connection, user_id)
    late = [account for account in accounts if account.created_at >= since]
    for account in late:
        await store.remove(transaction.connection, account.id)
    left = [account for account in accounts if account.created_at < since]
    if left and not any(account.is_primary for account in left):
        await store.set_primary(transaction.connection, user_id, left[0].id)
    return len(late)


async def make_primary(bridge: Bridge, user_id: UUID, account_id: UUID, now: datetime) -> None:
    """Make one of the user's accounts his primary one."""
    async with bridge.database.transaction() as transaction:
        await identities.hold_caller(transaction, user_id, now)
        _found(await store.list_of_user(transaction.connection, user_id), account_id)
        await store.set_primary(transaction.connection, user_id, account_id)


def _found(accounts: Sequence[AnyRow], account_id: UUID) -> AnyRow:
    for row in accounts:
        if row.id == account_id:
            return row
    raise not_found("linked account")


def _shown(row: AnyRow) -> LinkedAccount:
    return LinkedAccount(
        id=row.id,
        provider=row.provider,
        email=row.provider_email,
        name=row.profile.get("name"),
        username=row.profile.get("username"),
        is_primary=row.is_primary,
        linked_at=row.created_at,
        last_used_at=row.last_used_at,
        last_synced_at=row.last_synced_at,
        access_ended_at=row.access_ended_at,
    )


def _linked_elsewhere() -> Problem:
    detail = "Somebody else has linked this account. Sign in through it, and unlink it there first."
    return Problem(409, "linked_elsewhere", "Linked to another account", detail)
