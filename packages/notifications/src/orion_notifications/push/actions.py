"""What can be done with push subscriptions."""

from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError

from orion_core.database import Database
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.ids import uuid7
from orion_core.sealing import Keyring, place
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.push import rules, store
from orion_notifications.push.rules import PushPlatform
from orion_notifications.push.shapes import NewSubscription, SubscriptionShape

KIND = "push_subscription"
NOTED_EVERY = timedelta(minutes=1)
TRIES = 3


@dataclass(frozen=True)
class Device:
    """A browser or device as a worker sees it."""

    id: UUID
    platform: PushPlatform
    token: str = field(repr=False)
    point: bytes = field(repr=False)
    """The browser's public key; empty where nothing is encrypted."""
    auth: bytes = field(repr=False)


async def list_all(database: Database, user_id: UUID) -> list[SubscriptionShape]:
    """All of a user's."""
    async with database.autocommit() as connection:
        return [SubscriptionShape.of(row) for row in await store.of_user(connection, user_id)]


async def subscribe(
    database: Database, keyring: Keyring, user_id: UUID, wanted: NewSubscription, now: datetime, *, local: bool
) -> SubscriptionShape:
    """Let a browser or device be called. A token that is known becomes this user's: somebody else has signed in there.

    422 for what is no token, 409 when there are too many.
    """
    platform = PushPlatform[wanted.platform]
    _check(platform, wanted, local=local)
    for tries_left in reversed(range(TRIES)):
        try:
            return await _put(database, keyring, user_id, platform, wanted, now)
        except IntegrityError:  # the same token came by another request at this moment
            if not tries_left:
                raise
    raise AssertionError("unreachable")


async def _put(
    database: Database,
    keyring: Keyring,
    user_id: UUID,
    platform: PushPlatform,
    wanted: NewSubscription,
    now: datetime,
) -> SubscriptionShape:
    async with database.transaction() as transaction:
        connection = transaction.connection
        await store.hold_user(connection, user_id)
        known = await store.of_token(connection, wanted.token)
        if known is None and await store.count(connection, user_id) >= rules.MOST_DEVICES:
            detail = f"There are {rules.MOST_DEVICES} browsers and devices already; remove one."
            raise Problem(409, "too_many_devices", "Too many devices", detail)
        subscription_id: UUID = uuid7() if known is None else known["id"]
        sealed = None
        if wanted.keys is not None:
            sealed = keyring.seal(orjson.dumps(wanted.keys.model_dump()), _place(subscription_id))
        values = {
            "id": subscription_id,
            "user_id": user_id,
            "platform": platform,
            "token": wanted.token,
            "sealed_keys": sealed,
            "user_agent": wanted.user_agent,
        }
        row = await store.put(connection, values)
        if known is None or known["user_id"] != user_id:  # applications send what they have whenever they start
            entry = Entry("push_subscription.create", KIND, str(subscription_id), user_id, new=_told(row))
            await audit_trail.record(transaction, entry, now)
        return SubscriptionShape.of(row)


async def unsubscribe(database: Database, user_id: UUID, subscription_id: UUID, now: datetime) -> None:
    """Call one of a user's no more; a 404 Problem when it is not theirs."""
    async with database.transaction() as transaction:
        row = await store.remove(transaction.connection, user_id, subscription_id)
        if row is None:
            raise not_found("push subscription")
        entry = Entry("push_subscription.delete", KIND, str(subscription_id), user_id, old=_told(row))
        await audit_trail.record(transaction, entry, now)


async def devices_of(database: Database, keyring: Keyring, user_id: UUID) -> list[Device]:
    """What a user may be called by. Raises SealError."""
    async with database.autocommit() as connection:
        rows = await store.of_user(connection, user_id)
    return [_device(row, keyring) for row in rows if row["disabled_at"] is None]


async def note_arrived(database: Database, ids: Sequence[UUID], now: datetime) -> None:
    """A message has been taken for these."""
    if ids:
        async with database.autocommit() as connection:
            await store.arrived(connection, ids, now, now - NOTED_EVERY)


async def disable(database: Database, device: Device, reason: str, now: datetime) -> None:
    """Nobody is there any more, says the push service."""
    async with database.autocommit() as connection:
        await store.disable(connection, device.id, device.token, reason[:200], now)


def _told(row: RowMapping) -> dict[str, str | None]:
    """What the audit trail tells of a subscription: not by what it is called."""
    return {"platform": row["platform"].name, "user_agent": row["user_agent"]}


def _check(platform: PushPlatform, wanted: NewSubscription, *, local: bool) -> None:
    if fault := rules.token_fault(platform, wanted.token, local=local):
        raise invalid_field("/token", "unusable", f"{fault}.".capitalize())
    if (platform is PushPlatform.WEB) is (wanted.keys is None):
        raise invalid_field("/keys", "keys", "A browser has keys, and nothing else has.")
    if wanted.keys is not None:
        for name, text, size in (
            ("p256dh", wanted.keys.p256dh, rules.POINT_BYTES),
            ("auth", wanted.keys.auth, rules.AUTH_BYTES),
        ):
            if fault := rules.key_fault(text, size):
                raise invalid_field(f"/keys/{name}", "unusable", f"{fault}.".capitalize())


def _device(row: RowMapping, keyring: Keyring) -> Device:
    point = auth = b""
    if row["sealed_keys"] is not None:
        keys = orjson.loads(keyring.open(row["sealed_keys"], _place(row["id"])))
        point, auth = (urlsafe_b64decode(keys[name] + "==") for name in ("p256dh", "auth"))
    return Device(row["id"], row["platform"], row["token"], point, auth)


def _place(subscription_id: UUID) -> str:
    return place("push_subscriptions", "sealed_keys", subscription_id)
