"""Demo users as the notification service knows them: preferences, and the messages that have reached them or failed.

Nothing is queued, so no worker ever sends to a demo user, and what was sent is of the past.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from random import Random
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.demo import Demo, DemoUser, Facts, Row, demo_id, moment_before, pick
from orion_notifications.templates.tables import Template

MESSAGES = {"EMAIL": 6, "IN_APP": 3, "PUSH": 2}
"""Channels, by how often."""

_CHANNELS = tuple(channel for channel, weight in MESSAGES.items() for _ in range(weight))


@dataclass(frozen=True)
class _Kind:
    """A published template that messages are made from."""

    id: UUID
    version: int
    name: str
    category: str
    priority: str


async def _facts(connection: AsyncConnection) -> Facts:
    """The published templates, by channel."""
    columns = (Template.id, Template.published_version, Template.name, Template.category, Template.priority)
    statement = select(*columns, Template.channel).where(
        Template.published_version.is_not(None), Template.deleted_at.is_(None)
    )
    kinds: dict[str, list[_Kind]] = {}
    for row in await connection.execute(statement.order_by(Template.name)):
        kind = _Kind(row.id, row.published_version, row.name, row.category.name, row.priority.name)
        kinds.setdefault(row.channel.name, []).append(kind)
    return {"kinds": kinds}


def _rows(user: DemoUser, random: Random, facts: Facts) -> Iterator[Row]:
    yield _preferences(user, random, facts)
    for place in range(1 + int(6 * random.random() ** 2)):
        yield from _message(user, random, facts, place)


def _preferences(user: DemoUser, random: Random, facts: Facts) -> Row:
    quiet = random.random() < 0.25
    return "user_preferences", {
        "id": demo_id(user.registered_at, f"preferences {user.number}"),
        "user_id": user.id,
        "name": user.name,
        "email": user.email,
        "email_verified_at": user.verified_at,
        "locale": user.locale,
        "timezone": user.timezone,
        "sms_enabled": random.random() < 0.4,
        "push_enabled": random.random() < 0.7,
        "category_channels": '{"MARKETING": {"EMAIL": false}}' if random.random() < 0.35 else "{}",
        "quiet_hours_enabled": quiet,
        "quiet_hours_start": time(22) if quiet else None,
        "quiet_hours_end": time(7) if quiet else None,
        "quiet_hours_timezone": user.timezone if quiet else None,
        "metadata": facts["metadata"],
        "created_at": user.registered_at,
        "updated_at": user.registered_at,
    }


def _message(user: DemoUser, random: Random, facts: Facts, place: int) -> Iterator[Row]:
    """One message with its attempts: most reach their reader at the first try."""
    channel = pick(random, _CHANNELS)
    kinds: list[_Kind] = facts["kinds"].get(channel, [])
    kind = pick(random, kinds) if kinds else None
    queued = moment_before(random, user.until - timedelta(hours=1))
    message_id = demo_id(queued, f"message {user.number} {place}")
    status, attempts = _fate(random)
    sent = queued + timedelta(seconds=2 * attempts)
    failed = status == "FAILED"
    read = sent + timedelta(minutes=int(50 * random.random())) if channel == "IN_APP" and not failed else None
    provider = {"EMAIL": "smtp", "IN_APP": None, "PUSH": "webpush"}[channel]
    yield (
        "notifications",
        {
            "id": message_id,
            "user_id": user.id,
            "type": kind.name if kind else "demo",
            "category": kind.category if kind else "ACCOUNT",
            "channel": channel,
            "priority": kind.priority if kind else "NORMAL",
            "status": status,
            "template_id": kind.id if kind else None,
            "template_version": kind.version if kind else None,
            "locale": user.locale,
            "timezone": user.timezone,
            "subject": f"{user.name}, there is news",
            "content": f"Hello {user.name}, this message was made for demonstration and never sent.",
            "recipient": user.email if channel == "EMAIL" else None,
            "recipient_name": user.name,
            "attempts": attempts,
            "queued_at": queued,
            "processing_at": queued + timedelta(seconds=1),
            "sent_at": None if failed else sent,
            "delivered_at": sent if status == "DELIVERED" else None,
            "failed_at": sent if failed else None,
            "seen_at": read,
            "read_at": read if random.random() < 0.7 else None,
            "error_code": "mailbox_unavailable" if failed else None,
            "provider": provider,
            "provider_message_id": f"demo-{message_id.hex}" if provider and not failed else None,
            "tags": ["demo"],
            "created_at": queued,
            "updated_at": read or sent,
        },
    )
    for number in range(1, attempts + 1):
        yield _attempt(message_id, number, queued, provider, succeeded=number == attempts and not failed)


def _fate(random: Random) -> tuple[str, int]:
    """What became of a message, after how many tries."""
    chance = random.random()
    if chance < 0.02:
        return "FAILED", 1
    if chance < 0.05:
        return "BOUNCED", 1
    return ("SENT" if chance < 0.3 else "DELIVERED"), 2 if random.random() < 0.05 else 1


def _attempt(message_id: UUID, number: int, queued: datetime, provider: str | None, *, succeeded: bool) -> Row:
    at = queued + timedelta(seconds=2 * number - 1)
    return "delivery_attempts", {
        "id": demo_id(at, f"attempt {message_id} {number}"),
        "notification_id": message_id,
        "attempt_number": number,
        "status": "SUCCESS" if succeeded else "FAILURE",
        "provider": provider,
        "response_time_ms": 40 + message_id.int % 200,
        "error_code": None if succeeded else "mailbox_unavailable",
        "attempted_at": at,
        "completed_at": at + timedelta(milliseconds=40 + message_id.int % 200),
        "created_at": at,
        "updated_at": at + timedelta(seconds=1),
    }


DEMO = Demo(anchor="user_preferences", anchor_key="user_id", facts=_facts, rows=_rows)
