"""What can be done with API keys. Auth hears of each change by the feed and keeps what it needs to give tokens.

The text of a key exists in the answer to whoever makes it, and nowhere else: a lost answer is a key that nobody has.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.api_keys import ApiKeyChanged
from orion_contracts.claims import AccessClaims
from orion_core.api_keys import BRAND, ApiKeyText, Stage
from orion_core.database import Database, Transaction
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.events.outbox import Outbox
from orion_core.http.authentication import refuse_api_key
from orion_core.http.context import IpAddress
from orion_core.http.rate_limit import RateLimitState, too_many_requests
from orion_core.ids import uuid7_at
from orion_core.last_minute import WINDOW, Counter
from orion_core.networks import network
from orion_core.revocations import token_ended
from orion_core.rights.caller import caller as who_calls
from orion_user.access import actions as access
from orion_user.access import guard
from orion_user.access.rules import EVERYWHERE
from orion_user.api_keys import rules, store
from orion_user.api_keys.rules import MOST_KEYS, MOST_REPORTS, Ends
from orion_user.api_keys.shapes import ApiKeyChanges, ApiKeyShape, IssuedApiKey, NewApiKey, NewServiceKey
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.delegation import actions as delegation
from orion_user.users import actions as users

NOBODYS_HASH = bytes(32)
REPORTS = Counter("leak_report_rates", "network")
AUDITED = {"ISSUED": "create", "ROTATED": "rotate", "CHANGED": "update", "REVOKED": "revoke", "LEAKED": "revoke"}
"""What the audit trail calls a change."""


@dataclass(frozen=True)
class Keys:
    """What all that is done with keys works with."""

    database: Database
    outbox: Outbox
    stage: Stage
    """What new keys say of where they open something."""

    def client_id(self, prefix: str) -> str:
        """The public part of a key."""
        return f"{BRAND}_{self.stage}_{prefix}"


@dataclass(frozen=True)
class Caller:
    """Who does something with keys, and from where."""

    claims: AccessClaims
    actor: Actor
    now: datetime
    owner: UUID | None
    """Whose keys alone he can reach: his own; None for an administrator."""
    permission: str | None = None
    """What an administrator needs for it, asked in the same transaction."""


async def issue(keys: Keys, caller: Caller, wanted: NewApiKey) -> IssuedApiKey:
    """Make a key; its scopes are what its maker may do now, or less."""
    service = wanted.service if isinstance(wanted, NewServiceKey) else None
    refuse_api_key(caller.claims)
    made = ApiKeyText.new(keys.stage)
    expires_at = caller.now + timedelta(days=wanted.expires_in_days)
    values = {
        "id": uuid7_at(caller.now),
        "user_id": caller.owner,
        "service": service,
        "issued_by": who_calls(caller.claims).user_id,
        "name": wanted.name,
        "scopes": wanted.scopes,
        "allowed_cidrs": [str(cidr) for cidr in wanted.allowed_cidrs],
        "rate_limit": wanted.rate_limit,
        "expires_at": expires_at,
        "created_at": caller.now,
    }
    async with keys.database.transaction() as transaction:
        connection = transaction.connection
        await _require(connection, caller)
        await _hold_maker(connection, caller)
        if caller.owner is not None and await users.profile(connection, caller.owner) is None:
            raise not_found("user")
        await _require_held(connection, caller, wanted.scopes, expires_at)
        if await store.count_good(connection, caller.owner, service, caller.now) >= MOST_KEYS:
            raise _too_many()
        row = await store.insert_key(connection, values | _secret(made))
        await _changed(transaction, keys.outbox, row, "ISSUED", caller)
    return _issued(keys, row, made, caller.now)


async def rotate(keys: Keys, caller: Caller, key_id: UUID, overlap: timedelta) -> IssuedApiKey:
    """Give a key a successor that opens the same, and let both be good for a while.

    The lock on the key's row makes rotations at one moment take turns; the second finds that there is a successor. An
    administrator rotates the keys of services alone, and sees what he could have made himself.
    """
    refuse_api_key(caller.claims)
    made = ApiKeyText.new(keys.stage)
    now = caller.now
    async with keys.database.transaction() as transaction:
        await _hold_maker(transaction.connection, caller)
        before = await _locked(transaction.connection, caller, key_id)
        expires_at = rules.successor_expires_at(before["created_at"], before["expires_at"], now)
        if caller.owner is None:
            await _require_service(transaction.connection, caller, before, expires_at)
        if before["overlap_until"] is not None:
            raise _conflict("already_rotated", "This key has a successor already; rotate that one.")
        _require_good(before, now)
        copied = {column: before[column] for column in ("user_id", "service", "name", "scopes", "rate_limit")}
        values = {
            "id": uuid7_at(now),
            "allowed_cidrs": [str(cidr) for cidr in before["allowed_cidrs"]],
            "expires_at": expires_at,
            "issued_by": who_calls(caller.claims).user_id,
            "rotated_from_id": key_id,
            "created_at": now,
        }
        row = await store.insert_key(transaction.connection, copied | values | _secret(made))
        ended = await store.change(transaction.connection, key_id, {"overlap_until": now + overlap})
        await _changed(transaction, keys.outbox, ended, "ROTATED", caller, before)
        await _changed(transaction, keys.outbox, row, "ISSUED", caller)
    return _issued(keys, row, made, now)


async def _hold_maker(connection: AsyncConnection, caller: Caller) -> None:
    """Make no key behind "this was not me"; 401 when the maker's token is of an earlier epoch than is known here.

    What this process follows in memory may be a moment late. The lock has `revoke_since` find what is made before it.
    """
    maker = who_calls(caller.claims).user_id
    epoch = None if maker is None else await users.hold_epoch(connection, maker)
    if epoch is not None and caller.claims.epoch < epoch:
        raise token_ended(caller.claims)


async def change(
    keys: Keys, caller: Caller, key_id: UUID, changes: ApiKeyChanges, require: Callable[[str], None]
) -> ApiKeyShape:
    """Change how a key is called, from where it may be used or how often. `require` refuses what was not seen."""
    async with keys.database.transaction() as transaction:
        before = await _locked(transaction.connection, caller, key_id)
        require(_shape(keys, before, caller.now).etag)
        _require_good(before, caller.now)
        values = changes.values()
        if not values:
            return _shape(keys, before, caller.now)
        row = await store.change(transaction.connection, key_id, values)
        await _changed(transaction, keys.outbox, row, "CHANGED", caller, before)
    return _shape(keys, row, caller.now)


async def revoke(keys: Keys, caller: Caller, key_id: UUID) -> None:
    """End a key now, and the tokens that were got for it; nothing when it was revoked before."""
    async with keys.database.transaction() as transaction:
        before = await _locked(transaction.connection, caller, key_id)
        if before["revoked_at"] is None:
            values = {"revoked_at": caller.now, "revoked_reason": "REVOKED"}
            row = await store.change(transaction.connection, key_id, values)
            await _changed(transaction, keys.outbox, row, "REVOKED", caller, before)


async def report_leak(keys: Keys, text: str, url: str | None, finder: Actor, address: IpAddress, now: datetime) -> None:
    """Revoke the key that somebody has found, and have its owner told; not a word on whether there was one.

    Whoever shows the whole key proves that it has leaked: to him at least. 429 beyond what one network may report.
    """
    shown = ApiKeyText.parse(text)
    if shown is None:
        raise invalid_field("/key", "not_a_key", "This is no API key of ours: its form or its checksum is wrong.")
    await _count_report(keys.database, address, now)
    async with keys.database.transaction() as transaction:
        row = await store.find_by_prefix(transaction.connection, shown.prefix)
        expected = row["key_hash"] if row is not None else NOBODYS_HASH
        is_it = hmac.compare_digest(expected, shown.secret_hash)
        if row is None or not is_it or row["revoked_at"] is not None:
            return
        reason = f"LEAKED {url}"[:200] if url is not None else "LEAKED"
        ended = await store.change(transaction.connection, row["id"], {"revoked_at": now, "revoked_reason": reason})
        await _changed(transaction, keys.outbox, ended, "LEAKED", _Finder(finder, now), row)


async def revoke_since(transaction: Transaction, outbox: Outbox, user_id: UUID, since: datetime, now: datetime) -> None:
    """Revoke the keys that were made in a user's name at `since` or later, when somebody else was in.

    Those of services too: what an administrator's session was used to make opens as much.
    """
    for row in await store.revoke_since(transaction.connection, user_id, since, now):
        await _changed(transaction, outbox, row, "REVOKED", _Finder(Actor(), now))


async def _count_report(database: Database, address: IpAddress, now: datetime) -> None:
    async with database.autocommit() as connection:
        reset = await REPORTS.count(connection, network(address), MOST_REPORTS, now)
    if reset is not None:
        raise too_many_requests(RateLimitState("leak_report", MOST_REPORTS, WINDOW, 0, reset))


async def read(keys: Keys, caller: Caller, key_id: UUID) -> ApiKeyShape:
    """One key; a 404 Problem for one that is not there for the caller."""
    async with keys.database.autocommit() as connection:
        await _require(connection, caller)
        row = await store.find(connection, key_id, caller.owner)
    if row is None:
        raise not_found("API key")
    return _shape(keys, row, caller.now)


async def listed(
    keys: Keys, caller: Caller, user_id: UUID | None, service: str | None, before: UUID | None, limit: int
) -> list[ApiKeyShape]:
    """Keys, the latest first; also those that have ended."""
    async with keys.database.autocommit() as connection:
        await _require(connection, caller)
        rows = await store.listed(connection, caller.owner or user_id, service, before, limit)
    return [_shape(keys, row, caller.now) for row in rows]


@dataclass(frozen=True)
class _Finder:
    """Whoever has found a key, nobody knows who; or Orion itself."""

    actor: Actor
    now: datetime


async def _changed(
    transaction: Transaction,
    outbox: Outbox,
    row: RowMapping,
    change: str,
    by: Caller | _Finder,
    before: RowMapping | None = None,
) -> None:
    """Tell auth and the audit trail, in the transaction of the change."""
    ends = Ends(row["expires_at"], row["overlap_until"], row["revoked_at"])
    event = ApiKeyChanged(
        key_id=row["id"],
        change=change,
        name=row["name"],
        prefix=row["prefix"],
        key_hash=row["key_hash"].hex(),
        user_id=row["user_id"],
        service=row["service"],
        scopes=list(row["scopes"]),
        allowed_cidrs=[str(cidr) for cidr in row["allowed_cidrs"]],  # pyright: ignore[reportArgumentType] - pydantic reads them
        rate_limit=row["rate_limit"],
        ends_at=ends.by_itself_at,
        revoked_at=row["revoked_at"],
        changed_at=by.now,
        ip_address=by.actor.ip_address,
    )
    await outbox.record(transaction, event, by.now)
    told = Change(
        f"api_key.{AUDITED[change]}",
        "api_key",
        str(row["id"]),
        user_id=row["user_id"],
        old=_audited(before) if before is not None else {},
        new=_audited(row),
    )
    await audit.record(transaction, by.actor, told, by.now)


def _audited(row: RowMapping) -> dict[str, Any]:
    """What the audit trail tells of a key: nothing that opens."""
    told = {field: row[field] for field in ("name", "prefix", "service", "scopes", "rate_limit", "revoked_reason")}
    others = ("expires_at", "overlap_until", "revoked_at", "rotated_from_id", "issued_by")
    ends = {field: _text(row[field]) for field in others}
    return told | ends | {"allowed_cidrs": [str(cidr) for cidr in row["allowed_cidrs"]]}


def _text(value: datetime | UUID | None) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else None if value is None else str(value)


async def _require(connection: AsyncConnection, caller: Caller) -> None:
    if caller.permission is not None:
        await guard.require(connection, caller.claims, caller.permission, caller.now)


async def _require_held(connection: AsyncConnection, caller: Caller, scopes: list[str], expires_at: datetime) -> None:
    """Refuse what the maker may not do himself: a user anywhere, whoever makes a service's key everywhere.

    What a service's key has, it has whatever becomes of its maker: so he holds it under no condition, and for as long
    as the key is good. What he was given for an hour would else be had for a year.
    """
    if caller.owner is None:
        for scope in scopes:
            await guard.require(connection, caller.claims, scope, caller.now)
        await delegation.require(connection, caller.claims, scopes, caller.now, EVERYWHERE, expires_at)
        return
    held = {each.permission for each in (await access.of_user(connection, caller.owner, caller.now)).permissions}
    carries = who_calls(caller.claims).carries
    if lacking := [scope for scope in scopes if scope not in held or not carries(scope)]:
        detail = f"You may not do this yourself: {', '.join(lacking)}. GET /user/v1/me lists what you may."
        raise invalid_field("/scopes", "scope_not_held", detail)


async def _locked(connection: AsyncConnection, caller: Caller, key_id: UUID) -> RowMapping:
    await _require(connection, caller)
    row = await store.find(connection, key_id, caller.owner, lock=True)
    if row is None:
        raise not_found("API key")
    who, owner = who_calls(caller.claims), row["user_id"]
    if caller.owner is None and owner is not None and owner != who.user_id:
        await access.require_rank(connection, who, owner, caller.now)
    return row


async def _require_service(connection: AsyncConnection, caller: Caller, row: RowMapping, expires_at: datetime) -> None:
    if row["user_id"] is not None:
        raise _conflict(
            "key_of_a_user", "This key is a user's, who alone is to see its successor. Revoke it, or ask him."
        )
    await _require_held(connection, caller, row["scopes"], expires_at)


def _require_good(row: RowMapping, now: datetime) -> None:
    if not Ends(row["expires_at"], row["overlap_until"], row["revoked_at"]).is_good(now):
        raise _conflict("api_key_ended", "This key has ended; make another one.")


def _conflict(code: str, detail: str) -> Problem:
    return Problem(409, code, "Not possible now", detail)


def _too_many() -> Problem:
    detail = f"An owner has {MOST_KEYS} good API keys at most; revoke one that is not used any more."
    return Problem(409, "too_many_api_keys", "Too many API keys", detail)


def _secret(made: ApiKeyText) -> dict[str, Any]:
    return {"prefix": made.prefix, "key_hash": made.secret_hash}


def _shape(keys: Keys, row: RowMapping, now: datetime) -> ApiKeyShape:
    return ApiKeyShape.of(dict(row), keys.client_id(row["prefix"]), now)


def _issued(keys: Keys, row: RowMapping, made: ApiKeyText, now: datetime) -> IssuedApiKey:
    return IssuedApiKey(**_shape(keys, row, now).model_dump(), key=made.text)
