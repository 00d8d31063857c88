"""Setting up where the audit trail is streamed to."""

import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError

from orion_contracts.claims import AccessClaims
from orion_core.database import Database
from orion_core.errors import FieldError, Problem, not_found
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_core.ids import uuid7
from orion_core.sealing import Keyring, place
from orion_user.access import guard
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.audit_streams import rules, store
from orion_user.audit_streams.shapes import NewStream, StreamChanges, StreamCreated, StreamShape, stream_etag

PERMISSION = "system:configure"
SECRET_BYTES = 32


@dataclass(frozen=True)
class Office:
    """Who asks, and what setting up needs."""

    database: Database
    claims: AccessClaims
    actor: Actor
    now: datetime
    local: bool
    """Whether streams may go to this machine and to private networks, and then unencrypted."""
    keyring: Keyring = field(repr=False)


async def list_all(office: Office) -> list[StreamShape]:
    """Every stream."""
    async with office.database.autocommit() as connection:
        await guard.require(connection, office.claims, PERMISSION, office.now)
        return [StreamShape.of(row) for row in await store.list_all(connection)]


async def read(office: Office, stream_id: UUID) -> StreamShape:
    """One stream; a 404 Problem when there is none of that id."""
    async with office.database.autocommit() as connection:
        await guard.require(connection, office.claims, PERMISSION, office.now)
        return StreamShape.of(_found(await store.find(connection, stream_id)))


async def create(office: Office, wanted: NewStream, claim: Claim[StreamCreated] = NO_CLAIM) -> StreamCreated:
    """Begin a stream, from now on or from the beginning."""
    stream_id, secret = uuid7(), secrets.token_bytes(SECRET_BYTES)
    is_webhook = rules.is_webhook(wanted.url)
    head = None if wanted.from_beginning else await audit.latest_checkpoint(office.database)
    values: dict[str, Any] = {
        "id": stream_id,
        "name": wanted.name,
        "url": wanted.url,
        "secret": office.keyring.seal(secret, place("audit_streams", "secret", stream_id)) if is_webhook else None,
        "position": 0 if head is None else head["number"],
    }
    try:
        async with office.database.transaction() as transaction:
            await guard.require(transaction.connection, office.claims, PERMISSION, office.now)
            await claim.recall(transaction.connection)
            _refuse(rules.fault(wanted.url, local=office.local))
            await store.insert_stream(transaction.connection, values)
            new = rules.told({name: values[name] for name in ("name", "url", "position")})
            change = Change("audit_stream.create", "audit_stream", str(stream_id), new=new)
            await audit.record(transaction, office.actor, change, office.now)
            row = _found(await store.find(transaction.connection, stream_id))
            shown = f"whsec_{b64encode(secret).decode()}" if is_webhook else None
            made = StreamCreated(**StreamShape.of(row).model_dump(), secret=shown)
            await claim.settle(transaction, made)
    except IntegrityError:
        error = FieldError(
            field="/name", code="name_taken", detail="There is a stream of this name, or one that looks so."
        )
        raise Problem(409, "name_taken", "Name taken", "Choose another name.", errors=[error]) from None
    return made


async def change(
    office: Office, stream_id: UUID, changes: StreamChanges, require: Callable[[str], None]
) -> StreamShape:
    """Change where a stream goes, or switch it off and on. Its position stays, and what waits is tried at once."""
    async with office.database.transaction() as transaction:
        connection = transaction.connection
        await guard.require(connection, office.claims, PERMISSION, office.now)
        before = _found(await store.find(connection, stream_id, lock=True))
        require(stream_etag(StreamShape.of(before)))
        values = changes.model_dump(exclude_unset=True)
        if "url" in values:
            _refuse(rules.fault(values["url"], local=office.local))
            if rules.is_webhook(values["url"]) != rules.is_webhook(before["url"]):
                _refuse("a webhook stays a webhook, and a syslog server a syslog server; make another stream")
        await store.change(connection, stream_id, values | {"failures": 0, "next_attempt_at": None})
        old = {name: before[name] for name in values}
        if old != values:
            written = Change(
                "audit_stream.update", "audit_stream", str(stream_id), old=rules.told(old), new=rules.told(values)
            )
            await audit.record(transaction, office.actor, written, office.now)
        return StreamShape.of(_found(await store.find(connection, stream_id)))


async def remove(office: Office, stream_id: UUID, require: Callable[[str], None]) -> None:
    """End a stream."""
    async with office.database.transaction() as transaction:
        await guard.require(transaction.connection, office.claims, PERMISSION, office.now)
        row = _found(await store.find(transaction.connection, stream_id, lock=True))
        require(stream_etag(StreamShape.of(row)))
        await store.remove(transaction.connection, stream_id)
        old = rules.told({name: row[name] for name in ("name", "url", "position")})
        written = Change("audit_stream.delete", "audit_stream", str(stream_id), old=old)
        await audit.record(transaction, office.actor, written, office.now)


def _refuse(fault: str | None) -> None:
    if fault is not None:
        error = FieldError(field="/url", code="unusable", detail=f"{fault}.")
        raise Problem(422, "invalid_fields", "Invalid fields", "1 field is wrong; see errors.", errors=[error])


def _found(row: RowMapping | None) -> RowMapping:
    if row is None:
        raise not_found("stream")
    return row
