"""Cases at random: users who want things, addresses that bounced, throttles that are full, messages of every kind.

Each case is simulated, then sent, then looked at by the worker when its time has come. What the simulation said must be
what was decided, step by step, and what then happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_notifications.admission import Admission
from orion_notifications.delivery.messages import Claimed
from orion_notifications.desk import Desk
from orion_notifications.kinds import ALWAYS_ON, Category, Channel, Priority
from orion_notifications.notifications.sending import explain, read, send, simulate
from orion_notifications.notifications.shapes import Message
from orion_notifications.preferences.rules import Frequency
from orion_notifications.suppressions.actions import hasher_of, suppress
from orion_notifications.suppressions.rules import SuppressionReason

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
)
TYPES = ("order.shipped", "order.news", "chat.message")
CHANNELS = ("EMAIL", "SMS", "IN_APP", "PUSH", "WEBHOOK")
PREFERENCES = text("""
INSERT INTO user_preferences (
  user_id, email, email_verified_at, phone, locale, timezone, email_enabled, sms_enabled, category_channels,
  chosen_channels, type_channels, quiet_hours_enabled, quiet_hours_start, quiet_hours_end, quiet_hours_timezone,
  quiet_hours_days, digests
) VALUES (
  :user_id, :email, now(), :phone, :locale, :timezone, :email_enabled, :sms_enabled, CAST(:muted AS jsonb),
  CAST(:chosen AS jsonb), CAST(:types AS jsonb), :quiet, :start, :end, :quiet_zone, CAST(:days AS smallint[]),
  CAST(:digests AS jsonb)
)
""")


@dataclass
class Cases:
    """Makes cases in one database and tells where what was simulated is not what was real."""

    database: Database
    desk: Desk
    clock: MovableClock
    random: Random

    async def differences(self, count: int) -> list[str]:
        """What differs in so many cases."""
        return [told for n in range(count) if (told := await self.one(n)) is not None]

    async def one(self, number: int) -> str | None:
        """One case."""
        user_id, email = await self._user(number)
        await self._ban(email)
        asked = self._message(user_id, email)
        message, now = Message.model_validate(asked), self.clock()
        foreseen = (await simulate(self.database, self.desk, message, "case", now)).simulated[0].judgement
        if foreseen is None:
            return f"{asked}: nothing is foreseen"
        (sent,) = (await send(self.database, self.desk, message, "case", now)).notifications
        real = (await explain(self.database, sent.id)).judgements[0]
        if (foreseen.outcome, foreseen.until, foreseen.steps) != (real.outcome, real.until, real.steps):
            return f"{asked}: foreseen {foreseen}, decided {real}"
        row = await read(self.database, sent.id)
        status = row["status"].name
        if status != ("REJECTED" if real.outcome == "REJECTED" else "QUEUED"):
            return f"{asked}: {real.outcome}, but {status}"
        if status == "QUEUED" and real.outcome != "DIGEST":  # which no worker looks at
            due = real.until or now
            admission = Admission(self.database, hasher_of(self.desk.keyring), lambda: due)
            rulings = await admission.admit([_claimed(row)])
            expires_at = row["expires_at"]
            is_over = expires_at is not None and expires_at <= due
            if [ruling.next.name for ruling in rulings.values()] not in ([], ["EXPIRED"] if is_over else []):
                return f"{asked}: {real} until {due}, but then {rulings}"
        return None

    async def _user(self, number: int) -> tuple[UUID, str]:
        random, user_id = self.random, uuid7()
        hours = random.sample([time(22), time(7), time(2, 30), time(0), time(13, 37), time(23, 59)], 2)
        values: dict[str, Any] = {
            "user_id": user_id,
            "email": f"{number}.{user_id}@example.com",
            "phone": random.choice([None, "+4917012345"]),
            "locale": random.choice(["de", "de-AT", "fr-CH", "xx", "en"]),
            "timezone": random.choice(ZONES),
            "email_enabled": random.random() < 0.9,
            "sms_enabled": random.random() < 0.8,
            "muted": self._switches([each.name for each in Category]),
            "chosen": self._switches([each.name for each in Category]),
            "types": self._switches(TYPES),
            "quiet": random.random() < 0.7,
            "start": hours[0],
            "end": hours[1],
            "quiet_zone": random.choice([None, *ZONES]),
            "days": random.sample(range(1, 8), random.randrange(1, 8)),
            "digests": self._digests(),
        }
        async with self.database.autocommit() as connection:
            await connection.execute(PREFERENCES, values)
        return user_id, values["email"]

    def _switches(self, names: list[str] | tuple[str, ...]) -> str:
        random = self.random
        chosen = random.sample(list(names), random.choice([0, 0, 1, 2]))
        return orjson.dumps({name: {random.choice(CHANNELS): random.random() < 0.5} for name in chosen}).decode()

    def _digests(self) -> str:
        random = self.random
        told_together = random.sample([each for each in Category if each not in ALWAYS_ON], random.choice([0, 1, 4]))
        return orjson.dumps({each.name: random.choice(list(Frequency)).name for each in told_together}).decode()

    async def _ban(self, email: str) -> None:
        random = self.random
        if random.random() < 0.2:
            async with self.database.autocommit() as connection:
                await suppress(
                    connection,
                    hasher_of(self.desk.keyring),
                    Channel.EMAIL,
                    email,
                    random.choice(list(SuppressionReason)),
                    category=random.choice([None, *Category]),
                )

    def _message(self, user_id: UUID, email: str) -> Mapping[str, Any]:
        random, now = self.random, self.clock.advance(seconds=random_seconds(self.random))
        to_user = random.random() < 0.85
        channel = random.choice(CHANNELS) if to_user else "EMAIL"
        words: dict[str, Any] = {"content": {"text": "x"}, "category": random.choice([each.name for each in Category])}
        if to_user and channel == "IN_APP" and random.random() < 0.5:
            words = {"template": "welcome_in_app", "variables": {"name": "", "product_name": "Orion"}}
        times: dict[str, Any] = {}
        if random.random() < 0.3:
            times["scheduled_at"] = _later(now, random.randrange(1, 100))
        if random.random() < 0.2:
            times["local_time"] = random.choice(["09:00", "02:30", "23:00"])
        if random.random() < 0.2:
            times["expires_at"] = _later(
                now, random.randrange(101, 120) if "scheduled_at" in times else random.randrange(1, 30)
            )
        return {
            "to": {"user_id": str(user_id)} if to_user else {"email": email},
            "type": random.choice(TYPES),
            "channels": [channel],
            "priority": random.choice([None, *(each.name for each in Priority)]),
            **words,
            **times,
        }


def random_seconds(random: Random) -> float:
    """Up to some hours: the cases go on through the year, past changes of clocks."""
    return random.random() * 4 * 3600


def _later(now: datetime, hours: int) -> str:
    return (now + timedelta(hours=hours)).isoformat()


def _claimed(row: Mapping[Any, Any]) -> Claimed:
    """The record as a worker claims it, as far as decisions look at it."""
    given: dict[str, Any] = {name: row[name] for name in Claimed._fields if name in row}
    return Claimed(**dict.fromkeys(Claimed._fields) | given | {"attempt": 1, "attempts": 1})  # pyright: ignore[reportArgumentType]
