"""Linking accounts elsewhere to a user's own, and taking them off again."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from orion_auth.base import AnyRow
from orion_auth.identities import actions as identities
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import SOCIAL_LINKED
from orion_auth.social import store
from orion_auth.social.bridge import Bridge
from orion_auth.social.proofs import Proof, token_columns
from orion_auth.social.rules import SYNC_EVERY
from orion_auth.tokens.actions import Bearer
from orion_contracts.events import IdentityProfileChanged
from orion_core.database import Transaction
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7


async def link(
    transaction: Transaction,
    bridge: Bridge,
    user_id: UUID,
    provider: str,
    proof: Proof,
    bearer: Bearer,
    now: datetime,
    *,
    is_told: bool,
) -> UUID:
    """Link the proved account to the user, who is told unless he has just come into being by it."""
    account_id = uuid7()
    values: dict[str, Any] = {
        "id": account_id,
        "user_id": user_id,
        "provider": provider,
        "provider_id": proof.subject,
        "sync_due_at": now + SYNC_EVERY,
        **token_columns(bridge.keyring, account_id, proof, now),
    }
    identity = await identities.hold(transaction, user_id, now)
    await store.insert_account(transaction.connection, values)
    await note_profile(transaction, bridge.gate.outbox, user_id, provider, {}, proof.profile, now)
    if is_told and identity is not None:
        seen = bridge.gate.locate(bearer)
        circumstances = Circumstances.of(seen, details={"provider": provider}, subject=provider)
        await security_events.note(transaction, bridge.gate.outbox, SOCIAL_LINKED, identity, circumstances, now)
    return account_id


async def note_use(transaction: Transaction, bridge: Bridge, linked: AnyRow, proof: Proof, now: datetime) -> bool:
    """Bring a linked account up to date with what its provider has just said; False when it was unlinked meanwhile.

    A name stays where none is told: Apple tells it the first time alone.
    """
    known = {claim: text for claim, text in linked.profile.items() if claim == "name"}
    proof = proof.model_copy(update={"profile": known | proof.profile})
    values = token_columns(bridge.keyring, linked.id, proof, now) | {"sync_due_at": now + SYNC_EVERY}
    if proof.email is None:
        del values["provider_email"]
    if not await store.change_account(transaction.connection, linked.id, values):
        return False
    before = linked.profile
    await note_profile(transaction, bridge.gate.outbox, linked.user_id, linked.provider, before, proof.profile, now)
    return True


async def note_profile(
    transaction: Transaction,
    outbox: Outbox,
    user_id: UUID,
    provider: str,
    before: dict[str, str],
    after: dict[str, str],
    now: datetime,
) -> None:
    """Tell the other services what is new about a user, if anything is."""
    if after == before:
        return
    event = IdentityProfileChanged(
        user_id=user_id,
        provider=provider,
        name=after.get("name"),
        username=after.get("username"),
        picture_url=after.get("picture"),
        locale=_language_tag(after.get("locale")),
        changed_at=now,
    )
    await outbox.record(transaction, event, now)


def locale_of(proof: Proof) -> str:
    """What mails to somebody new are written in."""
    return _language_tag(proof.profile.get("locale")) or "en"


def _language_tag(text: str | None) -> str | None:
    """A BCP 47 tag; providers also write de_AT."""
    tag = (text or "").replace("_", "-")
    return tag if len(tag) <= 35 and re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", tag) else None
