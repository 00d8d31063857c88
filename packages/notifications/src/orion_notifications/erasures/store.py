"""The statements of erasing a person.

They go across preferences, push, notifications, delivery, batches, engagements, throttles, digests, escalations and
choices in raw SQL: what is forgotten is forgotten at one moment.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.api_keys import NotificationsApiKeyUsed
from orion_contracts.audit import NotificationsAuditRecorded
from orion_core import audit_trail
from orion_notifications.notifications.rules import ERASED

HOLD = text("SELECT email FROM user_preferences WHERE user_id = :user_id FOR UPDATE")
"""Two erasures of one person, each from a feed of its own, follow one another: the later sees what the other wrote.

So do an erasure and whoever has a message sent to the person, who holds the row FOR KEY SHARE (preferences.store.keep):
the record and its place in the queue are there for all of the statements that follow, or for none.
"""

AWAIT_ESCALATIONS = text("SELECT FROM escalations WHERE user_id = :user_id FOR KEY SHARE")  # ix_escalations_user_id
AWAIT_DIGESTS = text("SELECT FROM digests WHERE user_id = :user_id FOR KEY SHARE")  # uq_digests_user_id_until
AWAIT_BATCHES = text("SELECT FROM batch_recipients WHERE user_id = :user_id FOR KEY SHARE")
"""Whoever goes on with one holds it FOR UPDATE, and then keeps the person: he is waited for before `HOLD`, else the two
wait for each other. Nobody begins to go on with it after this, and what is put into a digest is not kept waiting.
"""

TAKE_OVER = text("""
    UPDATE notifications SET user_id = :user_id
    WHERE user_id IS NULL                                    -- ix_notifications_user_id_id
      AND recipient = (
        SELECT email FROM user_preferences WHERE user_id = :user_id AND email_verified_at IS NOT NULL
      )
""")
"""What was sent to the person's address before it was known to be theirs, such as an invitation to an organization."""

OF_USER = "notifications.user_id = :user_id"
"""By ix_notifications_user_id_id."""
OF_KEYS = """notifications.id = ANY(ARRAY(
        SELECT notification_id FROM notification_keys WHERE key = ANY(CAST(:keys AS text[]))
      ))"""
"""By pk_notification_keys and pk_notifications."""

LEAVE_QUEUE = """
    DELETE FROM notification_queue
    USING notifications
    WHERE notification_queue.notification_id = notifications.id
      AND WHOSE
      AND notifications.status IN ('QUEUED', 'PROCESSING')
"""

EMPTY_NOTIFICATIONS = f"""
    UPDATE notifications
    SET
      user_id = coalesce(user_id, :user_id),
      status = CASE status WHEN 'QUEUED' THEN 'CANCELLED' WHEN 'PROCESSING' THEN 'EXPIRED' ELSE status END,
      cancelled_at = CASE status WHEN 'QUEUED' THEN CAST(:now AS timestamptz) ELSE cancelled_at END,
      subject = NULL,
      content = CASE WHEN template_id IS NULL THEN '' END,
      html_content = NULL,
      recipient = NULL,
      recipient_name = NULL,
      variables = '{{}}',
      sealed_variables = NULL,
      error_message = NULL,
      provider_message_id = NULL,
      provider_response = NULL,
      tags = '{{}}',
      decisions = NULL,
      deferred_reason = NULL,
      idempotency_key = NULL,
      metadata = jsonb_build_object('{ERASED}', CAST(:now AS timestamptz))
    WHERE WHOSE
"""  # noqa: S608

EMPTY_ATTEMPTS = """
    UPDATE delivery_attempts
    SET provider_message_id = NULL, response = NULL, error_message = NULL, error_details = NULL
    FROM notifications
    WHERE delivery_attempts.notification_id = notifications.id         -- ix_delivery_attempts_notification_id
      AND WHOSE
"""


FORGET_ENGAGEMENTS = """
    DELETE FROM engagements
    USING notifications
    WHERE engagements.notification_id = notifications.id               -- ix_engagements_notification_id
      AND WHOSE
"""


def _empty(whose: str) -> dict[str, TextClause]:
    """In this order. A worker with a message in its hands loses its place in the queue, so it writes nothing more.

    notification_keys keeps the keys, under which nobody finds the person any more: without them a caller who asks again
    years later would have the message sent a second time (retention.md).
    """
    return {
        "notification_queue": text(LEAVE_QUEUE.replace("WHOSE", whose)),
        "notifications": text(EMPTY_NOTIFICATIONS.replace("WHOSE", whose)),
        "delivery_attempts": text(EMPTY_ATTEMPTS.replace("WHOSE", whose)),
        "engagements": text(FORGET_ENGAGEMENTS.replace("WHOSE", whose)),
    }


FORGET_CHOICES = text("DELETE FROM user_preferences WHERE user_id = :user_id")

FORGET_DEVICES = text("DELETE FROM push_subscriptions WHERE user_id = :user_id")

FORGET_ENDPOINTS = text("DELETE FROM webhook_endpoints WHERE user_id = :user_id")
FORGET_ROOM = text("DELETE FROM throttle_uses WHERE user_id = :user_id")

FORGET_ESCALATIONS = text("DELETE FROM escalations WHERE user_id = :user_id")

FORGET_DIGESTS = text("DELETE FROM digests WHERE user_id = :user_id")

KEEP_CONSENTS_ALONE = text("""
    UPDATE consents SET user_id = NULL, ip_address = NULL, notification_id = NULL
    WHERE user_id = :user_id                                 -- ix_consents_user_id
      OR notification_id = ANY(ARRAY(                        -- ix_consents_notification_id
        SELECT id FROM notifications WHERE user_id = :user_id    -- ix_notifications_user_id_id
      ))
""")
"""That somebody has said so stays, with the hash of the address; who it was does not.

Also what was said by a link before the account was known: it has the message, which has become the person's.
"""

FORGET_TO_BE_REACHED = text("""
    DELETE FROM batch_recipients
    WHERE user_id = :user_id                                 -- uq_batch_recipients_user_id_batch_id
      OR recipient = (                                       -- uq_batch_recipients_recipient_batch_id
        SELECT email FROM user_preferences WHERE user_id = :user_id AND email_verified_at IS NOT NULL
      )
""")
"""Whom a batch has not reached yet. Before all else: what it is making a message of just now is waited for, and then is
a message, which is taken over and emptied with the others.
"""

FORGET_PLACES = text(f"""
    DELETE FROM outbox WHERE type = '{NotificationsApiKeyUsed.type}' AND CAST(data ->> 'user_id' AS uuid) = :user_id
""")  # noqa: S608
"""From where the person's keys were used. The outbox is a month."""

STEPS = {
    "escalations": FORGET_ESCALATIONS,
    "digests": FORGET_DIGESTS,
    **_empty(OF_USER),
    "user_preferences": FORGET_CHOICES,
    "push_subscriptions": FORGET_DEVICES,
    "webhook_endpoints": FORGET_ENDPOINTS,
    "throttle_uses": FORGET_ROOM,
    "consents": KEEP_CONSENTS_ALONE,
    "outbox": FORGET_PLACES,
}
STEPS_OF_MESSAGES = _empty(OF_KEYS)


async def hold_known(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether a person has an address, which every user of auth's has; nobody else erases the person until the commit.

    By the unique index on user_preferences.user_id.
    """
    return await _hold(connection, user_id) is not None


async def erase(connection: AsyncConnection, user_id: UUID, now: datetime) -> dict[str, int]:
    """Empty or delete all that tells of a person; how many rows of each table that were."""
    counts: dict[str, int] = {}
    await _hold(connection, user_id)
    forgotten = (await connection.execute(FORGET_TO_BE_REACHED, {"user_id": user_id})).rowcount
    if forgotten:
        counts["batch_recipients"] = forgotten
    await connection.execute(TAKE_OVER, {"user_id": user_id})
    for table, statement in STEPS.items():
        values = {"user_id": user_id, "now": now}
        result = await connection.execute(statement, {name: values[name] for name in statement.compile().params})
        if result.rowcount:
            counts[table] = result.rowcount
    await audit_trail.empty(connection, NotificationsAuditRecorded, user_id)
    return counts


async def erase_messages(connection: AsyncConnection, user_id: UUID, keys: Sequence[str], now: datetime) -> None:
    """Empty the messages of these keys; one that was to nobody's address becomes the person's."""
    values = {"user_id": user_id, "keys": list(keys), "now": now}
    for statement in STEPS_OF_MESSAGES.values():
        await connection.execute(statement, {name: values[name] for name in statement.compile().params})


async def _hold(connection: AsyncConnection, user_id: UUID) -> str | None:
    """The address of a person of whom nothing is written from now on until the end."""
    for statement in (AWAIT_ESCALATIONS, AWAIT_DIGESTS, AWAIT_BATCHES):
        await connection.execute(statement, {"user_id": user_id})
    return (await connection.execute(HOLD, {"user_id": user_id})).scalar_one_or_none()
