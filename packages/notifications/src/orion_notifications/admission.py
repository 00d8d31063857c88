"""The worker's last look: what was decided when a message was accepted is decided anew when it is about to leave.

Meanwhile its user may have switched something off, moved to another zone or changed the quiet hours, and its address
may have bounced. One statement finds for a whole batch what could have a say; nearly always that is nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.clock import Clock
from orion_core.database import Database
from orion_notifications.batches.rules import HOLDING
from orion_notifications.decisions.rules import NEEDS_ADDRESS, Draft, Facts, Judgement, Outcome, judge
from orion_notifications.decisions.shapes import MOST_KEPT, in_words, kept
from orion_notifications.delivery.messages import Claimed, Ruling
from orion_notifications.delivery.rules import Next
from orion_notifications.kinds import Category, Channel
from orion_notifications.preferences.actions import contact_in
from orion_notifications.preferences.rules import Contact
from orion_notifications.suppressions.actions import Hasher
from orion_notifications.suppressions.rules import Suppression, SuppressionReason

# By uq_user_preferences_user_id and uq_suppressions_channel_recipient_hash_category. Whoever has no quiet hours and has
# switched nothing off has nothing to say.
FACTS = text("""
SELECT 'contact' AS kind, p.user_id, to_jsonb(p) AS said, NULL::bytea AS recipient_hash
FROM user_preferences p
WHERE p.user_id = ANY (CAST(:user_ids AS uuid[])) AND (
  p.quiet_hours_enabled OR p.category_channels <> '{}' OR p.chosen_channels <> '{}' OR p.type_channels <> '{}'
  OR NOT (p.email_enabled AND p.sms_enabled AND p.push_enabled AND p.in_app_enabled AND p.webhook_enabled
    AND p.slack_enabled AND p.discord_enabled)
)
UNION ALL
SELECT 'suppression', NULL, jsonb_build_object(
  'channel', s.channel, 'category', s.category, 'reason', s.reason, 'expires_at', s.expires_at
), s.recipient_hash
FROM suppressions s
WHERE s.channel = ANY (CAST(:channels AS channel[])) AND s.recipient_hash = ANY (CAST(:hashes AS bytea[]))
UNION ALL
SELECT 'held batch', b.id, NULL, NULL
FROM notification_batches b                                                      -- pk_notification_batches
WHERE b.id = ANY (CAST(:batch_ids AS uuid[])) AND b.status = ANY (CAST(:holding AS batch_status[]))
""")

# What was decided at the last moment is kept beside what was decided before; the first and the last that there is room
# for (MOST_KEPT). By pk_notifications.
KEEP = text("""
UPDATE notifications n
SET decisions = CASE
  WHEN jsonb_array_length(coalesce(n.decisions, '[]')) < :most THEN coalesce(n.decisions, '[]') || decided.said
  ELSE (n.decisions - 1) || decided.said END
FROM jsonb_to_recordset(CAST(:decided AS jsonb)) AS decided (id uuid, said jsonb)
WHERE n.id = decided.id
""")

NEXT = {Outcome.DEFER: Next.QUEUED, Outcome.REJECTED: Next.REJECTED, Outcome.EXPIRED: Next.EXPIRED}
WANTS_EVERYTHING = Contact()


@dataclass(frozen=True)
class Admission:
    """Decides of claimed messages; `admit` is the worker's `Admit`."""

    database: Database
    hasher: Hasher
    clock: Clock

    async def admit(self, claimed: Sequence[Claimed]) -> Mapping[UUID, Ruling]:
        """What does not go out now, and why."""
        hashes = {each.id: self.hasher.hashes(each.recipient) for each in claimed if each.recipient is not None}
        now = self.clock()
        async with self.database.autocommit() as connection:
            found = await self._found(connection, claimed, hashes)
            judged = {
                each.id: judge(_draft(each), facts, now)
                for each in claimed
                if (facts := _facts_of(each, found, hashes.get(each.id, []))) is not None
            }
            held = {id: judgement for id, judgement in judged.items() if judgement.outcome is not Outcome.SEND}
            if held:
                await _keep(connection, held, now)
        return {id: _ruling(judgement) for id, judgement in held.items()}

    async def _found(
        self, connection: AsyncConnection, claimed: Sequence[Claimed], hashes: Mapping[UUID, Sequence[bytes]]
    ) -> "_Found":
        values = {
            "user_ids": list({each.user_id for each in claimed if each.user_id is not None}),
            "channels": list({each.channel.name for each in claimed if each.id in hashes}),
            "hashes": [one for several in hashes.values() for one in several],
            "batch_ids": list({each.batch_id for each in claimed if each.batch_id is not None}),
            "holding": [status.name for status in HOLDING],
        }
        found = _Found()
        if not (values["user_ids"] or values["hashes"] or values["batch_ids"]):
            return found
        for row in await connection.execute(FACTS, values):
            match row.kind:
                case "contact":
                    found.contacts[row.user_id] = contact_in(row.said)
                case "held batch":
                    found.held_batches.add(row.user_id)
                case _:
                    speaking = Channel[row.said["channel"]], _suppression(row.said)
                    found.suppressions.setdefault(row.recipient_hash, []).append(speaking)
        return found


@dataclass(frozen=True)
class _Found:
    """What has a say in any of the claimed messages."""

    contacts: dict[UUID, Contact] = field(default_factory=dict[UUID, Contact])
    suppressions: dict[bytes, list[tuple[Channel, Suppression]]] = field(
        default_factory=dict[bytes, list[tuple[Channel, Suppression]]]
    )
    held_batches: set[UUID] = field(default_factory=set[UUID])


def _facts_of(claimed: Claimed, found: _Found, hashes: Sequence[bytes]) -> Facts | None:
    """What has a say in the message; None when nothing has."""
    contact = None if claimed.user_id is None else found.contacts.get(claimed.user_id)
    speaking = [
        suppression
        for each in hashes
        for channel, suppression in found.suppressions.get(each, ())
        if channel is claimed.channel
    ]
    is_held = claimed.batch_id in found.held_batches
    is_lost = claimed.recipient is None and claimed.channel in NEEDS_ADDRESS  # its user has none any more
    if contact is None and not (speaking or is_held or is_lost):
        return None
    return Facts(
        contact or WANTS_EVERYTHING,
        speaking,
        attempts=claimed.attempts - 1,
        max_attempts=claimed.max_attempts,
        is_batch_held=is_held,
        is_accepted=True,
    )


def _draft(claimed: Claimed) -> Draft:
    """The message as decisions see it; its time has come, so nothing is said of when it was asked for."""
    return Draft(
        type=claimed.type,
        category=claimed.category,
        channel=claimed.channel,
        priority=claimed.priority,
        recipient=claimed.recipient,
        is_to_user=claimed.user_id is not None,
        expires_at=claimed.expires_at,
    )


def _suppression(said: Mapping[str, Any]) -> Suppression:
    category, expires_at = said["category"], said["expires_at"]
    return Suppression(
        None if category is None else Category[category],
        SuppressionReason[said["reason"]],
        None if expires_at is None else datetime.fromisoformat(expires_at),
    )


def _ruling(judgement: Judgement) -> Ruling:
    decisive = judgement.decisive
    return Ruling(NEXT[judgement.outcome], judgement.until, decisive.code, in_words(decisive))


async def _keep(connection: AsyncConnection, held: Mapping[UUID, Judgement], now: datetime) -> None:
    decided = [{"id": str(id), "said": kept(judgement, now, "worker")} for id, judgement in held.items()]
    await connection.execute(KEEP, {"decided": orjson.dumps(decided).decode(), "most": MOST_KEPT})
