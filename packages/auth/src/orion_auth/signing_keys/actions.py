"""Making the keys that sign access tokens, changing them in time, and telling others how to verify what they signed."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth import trial
from orion_auth.base import AnyRow
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import SIGNING_KEYS_ROTATED
from orion_auth.signer import SigningKey
from orion_auth.signing_keys import store
from orion_auth.signing_keys.rules import (
    PUBLISHED_AHEAD,
    RETIRING_FOR,
    KeyState,
    SigningKeyStatus,
    Step,
    next_step,
    signing,
)
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.sealing import Keyring, place
from orion_core.signatures import Algorithm, new_jwk, private_key

Pair = ECKey | OKPKey | RSAKey


@dataclass(frozen=True)
class KeyPolicy:
    """What keys are to be like."""

    keyring: Keyring
    """Seals the private halves."""
    algorithm: Algorithm
    lifetime: timedelta
    """How long a key signs."""


@dataclass(frozen=True)
class Rotation:
    """A key that was asked for, and what becomes of those before it."""

    kid: str
    signs_from: datetime
    replaced: tuple[str, ...]
    """The keys whose tokens may be about."""
    replaced_until: datetime
    """How long those are still published."""


async def tend(database: Database, policy: KeyPolicy, now: datetime) -> SigningKey:
    """Change the keys as their age says, and give the one that signs; every process does this every minute.

    Of several processes one makes a change, the others find it made. A key pair is made outside of the transaction.
    """
    spare: Pair | None = None
    while True:
        async with database.transaction() as transaction:
            await store.take_lock(transaction.connection)
            while step := next_step(await _states(transaction.connection), policy.algorithm, policy.lifetime, now):
                if step.what in ("BEGIN", "PUBLISH") and spare is None:
                    break
                await _take(transaction.connection, step, spare, policy, now)
            else:
                return await _open(transaction.connection, policy.keyring)
        spare = await asyncio.to_thread(new_jwk, policy.algorithm)


async def rotate(
    database: Database,
    policy: KeyPolicy,
    now: datetime,
    *,
    operator: str,
    compromised: bool = False,
    dry_run: bool = False,
) -> Rotation:
    """Bring in a new key before the time of the present one is over.

    It is published now and signs once every service has it. With `compromised` the old keys are no longer published and
    the new one signs at once: within `KEYS_LIVE` every service refuses what the old ones signed, and clients refresh.
    SealError when the policy's keyring does not open the present key: auth could not open the new one either.
    """
    spare = await asyncio.to_thread(new_jwk, policy.algorithm)
    async with trial.transaction(database, dry_run=dry_run) as transaction:
        connection = transaction.connection
        await store.take_lock(connection)
        published = await store.list_published(connection)
        active = signing(_read(published))
        if active is not None:
            await _open(connection, policy.keyring)
        for key in published:
            if key.status is SigningKeyStatus.PENDING:
                await store.withdraw(connection, key.id)
        replaced = tuple(key.kid for key in published if key.status is not SigningKeyStatus.PENDING)
        signs_from = now if compromised or active is None else now + PUBLISHED_AHEAD
        if compromised:
            await store.retire_all(connection, now)
        status = SigningKeyStatus.ACTIVE if compromised else SigningKeyStatus.PENDING
        kid = await _insert(connection, spare, status, policy, now)
        details = {"kid": kid, "replaced": list(replaced), "compromised": compromised}
        await security_events.note_administration(
            transaction, SIGNING_KEYS_ROTATED, operator, Circumstances(details=details), now
        )
    return Rotation(kid, signs_from, replaced, now if compromised else signs_from + RETIRING_FOR)


async def public_keys(database: Database) -> dict[str, Any]:
    """The JWK set (RFC 7517 §5)."""
    async with database.autocommit() as connection:
        return {"keys": list(await store.list_public(connection))}


async def _take(connection: AsyncConnection, step: Step, spare: Pair | None, policy: KeyPolicy, now: datetime) -> None:
    match step:
        case Step("ACTIVATE", key_id) if key_id is not None:
            await store.retire_active(connection, now + RETIRING_FOR)
            await store.activate(connection, key_id, now)
        case Step("RETIRE", key_id) if key_id is not None:
            await store.retire(connection, key_id)
        case Step("WITHDRAW", key_id) if key_id is not None:
            await store.withdraw(connection, key_id)
        case Step(what) if spare is not None:
            status = SigningKeyStatus.ACTIVE if what == "BEGIN" else SigningKeyStatus.PENDING
            await _insert(connection, spare, status, policy, now)
        case _:
            raise AssertionError(step)


async def _states(connection: AsyncConnection) -> list[KeyState]:
    return _read(await store.list_published(connection))


def _read(rows: Sequence[AnyRow]) -> list[KeyState]:
    return [
        KeyState(row.id, row.algorithm, row.status, row.created_at, row.activated_at, row.retires_at) for row in rows
    ]


async def _open(connection: AsyncConnection, keyring: Keyring) -> SigningKey:
    active = signing(await _states(connection))
    assert active is not None, "next_step has one made"
    row = await store.read_private(connection, active.id)
    opened = keyring.open(row.private_key, place("signing_keys", "private_key", row.id))
    return SigningKey(row.kid, private_key(json.loads(opened), row.algorithm))


async def _insert(
    connection: AsyncConnection, pair: Pair, status: SigningKeyStatus, policy: KeyPolicy, now: datetime
) -> str:
    key_id, kid = uuid7(), pair.thumbprint()
    private = json.dumps(pair.as_dict(private=True)).encode()
    values: dict[str, Any] = {
        "id": key_id,
        "kid": kid,
        "algorithm": policy.algorithm,
        "public_jwk": {**pair.as_dict(private=False), "kid": kid, "alg": policy.algorithm, "use": "sig"},
        "private_key": policy.keyring.seal(private, place("signing_keys", "private_key", key_id)),
        "status": status,
        "activated_at": now if status is SigningKeyStatus.ACTIVE else None,
        "created_at": now,
    }
    await store.insert_key(connection, values)
    return kid
