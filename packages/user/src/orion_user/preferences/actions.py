"""What can be done to preferences."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.claims import AccessClaims
from orion_contracts.user_events import NotificationPreferencesChanged, SecurityPreferencesChanged
from orion_core.database import Database, Transaction
from orion_core.errors import FieldError, Problem, not_found
from orion_core.events.outbox import Outbox
from orion_core.faults import code_and_sentence
from orion_core.http.authentication import require_recent
from orion_core.http.etags import etag
from orion_core.merge_patch import merged
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.preferences import store
from orion_user.preferences.documents import DOCUMENTS, Document, PrivacyPreferences
from orion_user.preferences.rules import weakens
from orion_user.preferences.shapes import PreferencesShape


async def create(connection: AsyncConnection, user_id: UUID, *, locale: str, timezone: str) -> None:
    """Begin with the language and time zone that the user registered in, and defaults for everything else."""
    await store.insert_preferences(connection, user_id, locale, timezone)


async def create_many(connection: AsyncConnection, rows: Sequence[tuple[UUID, str, str]]) -> None:
    """Begin with the language and time zone (in this order, behind the id) of many users who were brought over."""
    if rows:
        await store.insert_many(connection, rows)


async def read(connection: AsyncConnection, user_id: UUID) -> RowMapping:
    """Language and time zone of a user."""
    return await store.preferences(connection, user_id)


async def change(connection: AsyncConnection, user_id: UUID, values: dict[str, Any]) -> None:
    """Set language, time zone."""
    if values:
        await store.change_preferences(connection, user_id, values)


async def read_all(connection: AsyncConnection, user_id: UUID) -> PreferencesShape:
    """Everything that a user has chosen, with the defaults; 404 for nobody."""
    return PreferencesShape.model_validate(await _found(connection, user_id))


def default_visibility() -> str:
    """Who finds the profile of a user who has not chosen."""
    return PrivacyPreferences.model_validate({}).visibility


async def privacy(connection: AsyncConnection, user_id: UUID) -> PrivacyPreferences:
    """What a user lets others see; 404 for nobody."""
    return PrivacyPreferences.model_validate((await _found(connection, user_id))["privacy"])


async def read_document(connection: AsyncConnection, user_id: UUID, kind: str) -> Document:
    """One document, with the defaults where nothing was chosen; 404 for nobody."""
    return DOCUMENTS[kind].model_validate((await _found(connection, user_id))[kind])


async def patch(
    database: Database,
    outbox: Outbox,
    user_id: UUID,
    kind: str,
    changes: dict[str, Any],
    *,
    claims: AccessClaims,
    actor: Actor,
    now: datetime,
    require: Callable[[str], None],
) -> Document:
    """Merge changes into a document (RFC 7396); null gives a choice back to its default.

    `require` is given the ETag while nobody else can change it, and raises to refuse. 404 for nobody and for a deleted
    user; 422 when the outcome breaks the document's schema; 401 when an owner weakens the security of their account
    without a recent proof of who they are.
    """
    async with database.transaction() as transaction:
        stored: dict[str, Any] = (await _found(transaction.connection, user_id, lock=True))[kind]
        before = DOCUMENTS[kind].model_validate(stored)
        require(etag(before))
        chosen: dict[str, Any] = merged(stored, changes)
        after = _validated(kind, chosen)
        chosen_again = kind == "notifications" and changes.keys() == {"digest"}
        if after != before or chosen != stored or chosen_again:
            documents = (before, after)
            await _settle(
                transaction, outbox, user_id, kind, documents, chosen, claims, actor, now, chosen_again=chosen_again
            )
        return after


async def _settle(
    transaction: Transaction,
    outbox: Outbox,
    user_id: UUID,
    kind: str,
    documents: tuple[BaseModel, BaseModel],
    chosen: dict[str, Any],
    claims: AccessClaims,
    actor: Actor,
    now: datetime,
    *,
    chosen_again: bool,
) -> None:
    old, new = (document.model_dump(mode="json") for document in documents)
    if kind == "security":
        if claims.sub == str(user_id) and weakens(old, new):
            require_recent(claims, now)
        event = SecurityPreferencesChanged(user_id=user_id, changed_at=now, **new)
        await outbox.record(transaction, event, now)
    elif kind == "notifications":
        wanted = dict(new)
        # What is sent with everything else is no choice: it would undo what was chosen by category at notifications.
        if new["digest"] == old["digest"] and not chosen_again:
            del wanted["digest"]
        event = NotificationPreferencesChanged(user_id=user_id, changed_at=now, **wanted)
        await outbox.record(transaction, event, now)
    await store.change_preferences(transaction.connection, user_id, {kind: chosen})
    told = Change(f"preferences.{kind}.update", "preferences", str(user_id), user_id=user_id, old=old, new=new)
    await audit.record(transaction, actor, told, now)


async def _found(connection: AsyncConnection, user_id: UUID, *, lock: bool = False) -> RowMapping:
    row = await store.documents(connection, user_id, lock=lock)
    if row is None:
        raise not_found("user")
    return row


def _validated(kind: str, chosen: dict[str, Any]) -> Document:
    try:
        return DOCUMENTS[kind].model_validate(chosen)
    except ValidationError as error:
        faults = [
            FieldError(field="/" + "/".join(map(str, fault["loc"])), code=code, detail=words)
            for fault in error.errors(include_url=False, include_input=False)
            for code, words in (code_and_sentence(fault),)
        ]
        detail = f"{len(faults)} field{' is' if len(faults) == 1 else 's are'} wrong; see errors."
        raise Problem(422, "invalid_fields", "Invalid fields", detail, errors=faults) from None
