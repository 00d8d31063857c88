"""What can be done with webhook endpoints: their owners set them up, and a worker delivers to them."""

import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping

from orion_core.database import Database
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.ids import uuid7
from orion_core.sealing import Keyring, place
from orion_core.told_urls import told
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.webhooks import rules, store
from orion_notifications.webhooks.rules import Secret
from orion_notifications.webhooks.shapes import (
    EndpointChanges,
    EndpointShape,
    EndpointWithSecret,
    NewEndpoint,
    endpoint_etag,
)

BY_OWNER = "switched off by its owner"
GONE = "it answered 410 Gone"
FAILING = "nothing but failure for five days"
NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Owner:
    """Whose endpoints these are, and what setting them up needs."""

    database: Database
    keyring: Keyring = field(repr=False)
    user_id: UUID | None
    """None: the operator's."""
    now: datetime
    local: bool
    """Whether endpoints may be on this machine and in private networks."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as a worker sees it."""

    id: UUID
    url: str
    secrets: Sequence[Secret] = field(repr=False)


async def list_all(owner: Owner) -> list[EndpointShape]:
    """Every endpoint of an owner."""
    async with owner.database.autocommit() as connection:
        return [EndpointShape.of(row) for row in await store.of_owner(connection, owner.user_id)]


async def read(owner: Owner, endpoint_id: UUID) -> EndpointShape:
    """One endpoint; a 404 Problem when the owner has none of that id."""
    async with owner.database.autocommit() as connection:
        return EndpointShape.of(_owned(await store.find(connection, endpoint_id), owner))


async def create(owner: Owner, wanted: NewEndpoint) -> EndpointWithSecret:
    """A new endpoint and its secret; 422 for a URL that is not to be reached, 409 when there are too many."""
    _refuse(rules.fault(wanted.url, local=owner.local))
    endpoint_id, secret = uuid7(), Secret(os.urandom(rules.SECRET_BYTES))
    values = wanted.model_dump() | {
        "id": endpoint_id,
        "user_id": owner.user_id,
        "sealed_keys": _seal([secret], endpoint_id, owner.keyring),
    }
    async with owner.database.transaction() as transaction:
        connection = transaction.connection
        await store.hold_owner(connection, owner.user_id)
        if await store.count(connection, owner.user_id) >= rules.MOST_ENDPOINTS:
            detail = f"There are {rules.MOST_ENDPOINTS} endpoints already; remove one."
            raise Problem(409, "too_many_endpoints", "Too many endpoints", detail)
        await store.add(connection, values)
        made = EndpointShape.of(_owned(await store.find(connection, endpoint_id), owner))
        entry = Entry("webhook.create", "webhook_endpoint", str(endpoint_id), owner.user_id, new=_told(made))
        await audit_trail.record(transaction, entry, owner.now)
    return EndpointWithSecret(**made.model_dump(), secret=secret.text)


async def change(
    owner: Owner, endpoint_id: UUID, changes: EndpointChanges, require: Callable[[str], None]
) -> EndpointShape:
    """Change an endpoint; switching it on forgets that it failed."""
    values: dict[str, Any] = changes.model_dump(exclude_unset=True)
    if "url" in values:
        _refuse(rules.fault(values["url"], local=owner.local))
    enabled = values.pop("is_enabled", None)
    if enabled is not None:
        values |= {
            "disabled_at": None if enabled else owner.now,
            "disabled_reason": None if enabled else BY_OWNER,
            "failing_since": None,
        }
    async with owner.database.transaction() as transaction:
        connection = transaction.connection
        before = EndpointShape.of(_owned(await store.find(connection, endpoint_id, lock=True), owner))
        require(endpoint_etag(before))
        if values:
            await store.change(connection, endpoint_id, values)
        after = EndpointShape.of(_owned(await store.find(connection, endpoint_id), owner))
        entry = Entry(
            "webhook.update", "webhook_endpoint", str(endpoint_id), owner.user_id, old=_told(before), new=_told(after)
        )
        await audit_trail.record(transaction, entry, owner.now)
    return after


async def rotate(owner: Owner, endpoint_id: UUID) -> EndpointWithSecret:
    """A new secret. For a day deliveries are signed by the one before too, so nobody has to change at one moment."""
    key = os.urandom(rules.SECRET_BYTES)
    async with owner.database.transaction() as transaction:
        row = _owned(await store.find(transaction.connection, endpoint_id, lock=True), owner)
        secrets = rules.rotated(_open(row, owner.keyring), key, owner.now)
        sealed = _seal(secrets, endpoint_id, owner.keyring)
        await store.change(transaction.connection, endpoint_id, {"sealed_keys": sealed})
        entry = Entry("webhook.rotate", "webhook_endpoint", str(endpoint_id), owner.user_id)
        await audit_trail.record(transaction, entry, owner.now)
    return EndpointWithSecret(**EndpointShape.of(row).model_dump(), secret=secrets[0].text)


async def remove(owner: Owner, endpoint_id: UUID, require: Callable[[str], None]) -> None:
    """End an endpoint."""
    async with owner.database.transaction() as transaction:
        before = EndpointShape.of(_owned(await store.find(transaction.connection, endpoint_id, lock=True), owner))
        require(endpoint_etag(before))
        await store.remove(transaction.connection, endpoint_id)
        entry = Entry("webhook.delete", "webhook_endpoint", str(endpoint_id), owner.user_id, old=_told(before))
        await audit_trail.record(transaction, entry, owner.now)


async def endpoint(database: Database, keyring: Keyring, endpoint_id: UUID) -> Endpoint | None:
    """An endpoint that deliveries may go to; None when there is none, or it is switched off. Raises SealError."""
    async with database.autocommit() as connection:
        row = await store.find(connection, endpoint_id)
    if row is None or row["disabled_at"] is not None:
        return None
    return Endpoint(row["id"], row["url"], _open(row, keyring))


async def endpoints_of(database: Database, keyring: Keyring, user_id: UUID) -> list[Endpoint]:
    """A user's endpoints that deliveries may go to. Raises SealError."""
    async with database.autocommit() as connection:
        rows = await store.of_owner(connection, user_id)
    return [Endpoint(row["id"], row["url"], _open(row, keyring)) for row in rows if row["disabled_at"] is None]


async def note_success(database: Database, endpoint_id: UUID, now: datetime) -> None:
    """A delivery arrived."""
    async with database.autocommit() as connection:
        await store.succeeded(connection, endpoint_id, now, now - NOTED_EVERY)


async def note_failure(database: Database, endpoint_id: UUID, now: datetime, *, is_gone: bool) -> bool:
    """A delivery failed; whether the endpoint is given up by that."""
    async with database.transaction() as transaction:
        since = await store.failed(transaction.connection, endpoint_id, now)
        if not is_gone and not rules.is_given_up(since, now):
            return False
        reason = GONE if is_gone else FAILING
        if await store.disable(transaction.connection, endpoint_id, reason, now):
            entry = Entry(
                "webhook.disable", "webhook_endpoint", str(endpoint_id), new={"reason": reason}, by="notifications"
            )
            await audit_trail.record(transaction, entry, now)
        return True


def _seal(secrets: Sequence[Secret], endpoint_id: UUID, keyring: Keyring) -> bytes:
    written = [
        {"key": b64encode(secret.key).decode(), "expires_at": secret.expires_at and secret.expires_at.isoformat()}
        for secret in secrets
    ]
    return keyring.seal(orjson.dumps(written), place("webhook_endpoints", "sealed_keys", endpoint_id))


def _open(row: RowMapping, keyring: Keyring) -> list[Secret]:
    opened = orjson.loads(keyring.open(row["sealed_keys"], place("webhook_endpoints", "sealed_keys", row["id"])))
    return [
        Secret(b64decode(each["key"]), each["expires_at"] and datetime.fromisoformat(each["expires_at"]))
        for each in opened
    ]


def _told(endpoint: EndpointShape) -> dict[str, Any]:
    """What the audit trail keeps."""
    return told(endpoint.url) | {"description": endpoint.description, "is_enabled": endpoint.is_enabled}


def _refuse(fault: str | None) -> None:
    if fault is not None:
        raise invalid_field("/url", "unusable", f"{fault}.".capitalize())


def _owned(row: RowMapping | None, owner: Owner) -> RowMapping:
    if row is None or row["user_id"] != owner.user_id:
        raise not_found("webhook endpoint")
    return row
