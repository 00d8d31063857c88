"""Keeping what providers gave us good while nobody signs in: tokens refreshed ahead of their end, profiles read again.

Of many processes one does it: a row is claimed by one UPDATE that moves its time on, the provider is asked outside of
any transaction, and what it said is kept only if the row is still as it was claimed. A process that dies meanwhile
leaves a claim that runs out.
"""

import asyncio
from datetime import datetime
from typing import Any

import structlog

from orion_auth.addresses import normalise_email
from orion_auth.base import AnyRow
from orion_auth.identities import actions as identities
from orion_auth.oauth_connections import actions as oauth_connections
from orion_auth.providers.rules import Provider, ProviderError
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import SOCIAL_ACCESS_ENDED
from orion_auth.social import linking, store
from orion_auth.social.bridge import Bridge
from orion_auth.social.proofs import sealed_tokens, token_place
from orion_auth.social.rules import AHEAD, LEASE, SYNC_EVERY, SYNC_RETRY, pause_after, rested_at
from orion_core.background import keep_doing, unless_stopped
from orion_core.clock import Clock
from orion_core.sealing import SealError

TICK_SECONDS = 30.0
BATCH = 20
"""Accounts that one process asks providers about at the same time."""

log = structlog.get_logger()


async def keep_linked_accounts(bridge: Bridge, clock: Clock, stop: asyncio.Event) -> None:
    """Every half minute until `stop`, and at once again while there is more to do."""

    async def keep() -> None:
        while not stop.is_set() and (await unless_stopped(stop, keep_once(bridge, clock())) or 0) >= BATCH:
            pass

    await keep_doing(stop, TICK_SECONDS, keep, "social.keeping_put_off")


async def keep_once(bridge: Bridge, now: datetime) -> int:
    """Refresh and read again what is due, at most a batch of each; how many that was at most."""
    async with bridge.database.autocommit() as connection:
        refreshes = await store.claim_refreshes(connection, now + AHEAD, now, now + LEASE, BATCH)
    await asyncio.gather(*(_refresh(bridge, row, now) for row in refreshes))
    async with bridge.database.autocommit() as connection:
        profiles = await store.claim_profiles(connection, now, now + SYNC_RETRY, BATCH)
    await asyncio.gather(*(_read_again(bridge, row, now) for row in profiles))
    return max(len(refreshes), len(profiles))


async def _refresh(bridge: Bridge, row: AnyRow, now: datetime) -> None:
    try:
        provider = await _provider(bridge, row)
        refresh_token = bridge.keyring.open(row.refresh_token, token_place("refresh_token", row.id)).decode()
        tokens = await bridge.providers.refresh(provider, refresh_token, now)
    except (ProviderError, SealError) as error:
        if isinstance(error, ProviderError) and error.reason == "TOKEN_REVOKED":
            await _end_access(bridge, row, now)
            return
        failures = min(row.refresh_failures + 1, 1000)
        log.warning("social.refresh_failed", account=str(row.id), provider=row.provider, failures=failures)
        async with bridge.database.autocommit() as connection:
            await store.put_off(connection, row, failures, now + pause_after(failures))
        return
    values = {
        **sealed_tokens(bridge.keyring, row.id, tokens.access_token, tokens.refresh_token),
        "token_expires_at": tokens.expires_at,
    }
    async with bridge.database.autocommit() as connection:
        await store.keep_tokens(connection, row, values, rested_at(tokens.expires_at, now))


async def _read_again(bridge: Bridge, row: AnyRow, now: datetime) -> None:
    if row.access_token is None or (row.token_expires_at is not None and row.token_expires_at <= now):
        if row.refresh_token is not None:
            return  # asked again in an hour: by then the token may have been refreshed
        async with bridge.database.autocommit() as connection:
            await store.give_up_reading(connection, row, None)  # the next sign-in alone brings another
        return
    try:
        provider = await _provider(bridge, row)
        access_token = bridge.keyring.open(row.access_token, token_place("access_token", row.id)).decode()
        account = await bridge.providers.account(provider, access_token, row.provider_id)
    except (ProviderError, SealError) as error:
        reason = error.reason if isinstance(error, ProviderError) else "SEALED"
        if reason == "TOKEN_REVOKED" and row.refresh_token is None:
            await _end_access(bridge, row, now)
        elif reason in ("TOKEN_REVOKED", "NO_ENDPOINTS"):
            async with bridge.database.autocommit() as connection:
                await store.give_up_reading(connection, row, now if reason == "TOKEN_REVOKED" else None)
        log.info("social.profile_not_read", account=str(row.id), provider=row.provider, reason=reason)
        return
    values: dict[str, Any] = {"profile": dict(account.profile), "last_synced_at": now, "sync_due_at": now + SYNC_EVERY}
    if account.email is not None and (email := normalise_email(account.email)) is not None:
        values["provider_email"] = email
    async with bridge.database.transaction() as transaction:
        if await store.keep_profile(transaction.connection, row, values):
            outbox, after = bridge.gate.outbox, dict(account.profile)
            await linking.note_profile(transaction, outbox, row.user_id, row.provider, row.profile, after, now)


async def _provider(bridge: Bridge, row: AnyRow) -> Provider:
    async with bridge.database.autocommit() as connection:
        provider = await oauth_connections.enabled(connection, bridge.keyring, row.provider)
    if provider is None:
        raise ProviderError("SWITCHED_OFF", "the provider is switched off")
    return provider


async def _end_access(bridge: Bridge, row: AnyRow, now: datetime) -> None:
    """Forget tokens that the provider takes no more, and note it in the user's history."""
    async with bridge.database.transaction() as transaction:
        identity = await identities.hold(transaction, row.user_id, now)
        if await store.end_access(transaction.connection, row, now) and identity is not None:
            circumstances = Circumstances(details={"provider": row.provider})
            await security_events.note(
                transaction, bridge.gate.outbox, SOCIAL_ACCESS_ENDED, identity, circumstances, now
            )
