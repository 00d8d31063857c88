"""Closing digests: when a window is over, its messages become one mail, in one transaction."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.background import pause
from orion_core.clock import Clock
from orion_core.database import Database
from orion_notifications.decisions.rules import Draft, Facts, Judgement, Outcome, judge
from orion_notifications.decisions.shapes import kept
from orion_notifications.delivery.actions import withdraw_many
from orion_notifications.desk import Desk
from orion_notifications.digests import actions as digests
from orion_notifications.digests.rules import MOST_LINES, OF_DIGESTS, Item, as_html, as_text, lines, subject
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.notifications import store
from orion_notifications.notifications.actions import accept
from orion_notifications.notifications.orders import standing
from orion_notifications.notifications.rules import NotificationStatus, Order
from orion_notifications.preferences.actions import contact as contact_of
from orion_notifications.preferences.rules import Contact
from orion_notifications.suppressions.actions import hasher_of, suppressions_of
from orion_notifications.suppressions.rules import Suppression
from orion_notifications.templates.actions import Library
from orion_notifications.templates.rules import Content, TemplateFaultError, render

POLL_SECONDS = 5.0

log = structlog.get_logger()


async def close_one(database: Database, desk: Desk, library: Library, now: datetime) -> bool:
    """Make the mail of one digest whose window is over; False when there is none. Raises PutOffError.

    What a worker has in hand, since it went by itself, is left out, and so is what its user wants no more. There may be
    thousands: no step takes one after the other, since requests wait for it.
    """
    async with digests.due_digest(database, now) as (transaction, digest):
        connection = transaction.connection
        if digest is None:
            return False
        found = await digests.items_of(connection, digest["id"], now)
        contact = await contact_of(connection, digest["user_id"])
        withdrawn = await withdraw_many(transaction, [row["id"] for row in found])
        taken = await _still_wanted(connection, desk, contact, [row for row in found if row["id"] in withdrawn], now)
        if taken:
            ids: list[UUID] = [row["id"] for row in taken]
            order = Order(
                key=f"digest:{digest['id']}",
                type=OF_DIGESTS,
                template=None,
                channel=Channel.EMAIL,
                user_id=digest["user_id"],
                content=await _content(connection, library, ids, contact.locale),
                category=Category[taken[0]["category"]],
                metadata={"digest_of": [str(id) for id in ids]},
            )
            mail = await accept(transaction, desk, order, now)
            said = {
                "status": NotificationStatus.CANCELLED,
                "cancelled_at": now,
                "next_attempt_at": None,
                "error_code": "digested",
                "error_message": f"it is told of in the digest {mail.id}",
            }
            await store.change_many(connection, ids, said)
        await digests.close(connection, digest["id"], now)
        return True


async def _still_wanted(
    connection: AsyncConnection, desk: Desk, contact: Contact, rows: Sequence[RowMapping], now: datetime
) -> list[RowMapping]:
    """Those that may still be told of; the others are recorded as REJECTED.

    Each is judged by its own category and type: the mail has one category, and its items may have several.
    """
    suppressions: Sequence[Suppression] = ()
    if contact.email is not None:
        suppressions = await suppressions_of(connection, hasher_of(desk.keyring), Channel.EMAIL, contact.email)
    facts = Facts(contact, suppressions, is_accepted=True)
    judgements: dict[tuple[str, str], Judgement] = {}
    for type, category in {(row["type"], row["category"]) for row in rows}:
        draft = Draft(type, Category[category], Channel.EMAIL, Priority.NORMAL, contact.email)
        judgements[type, category] = judge(draft, facts, now)
    wanted: list[RowMapping] = []
    unwanted: dict[tuple[str, str], list[UUID]] = {}
    for row in rows:
        kind = row["type"], row["category"]
        if judgements[kind].outcome is Outcome.REJECTED:
            unwanted.setdefault(kind, []).append(row["id"])
        else:
            wanted.append(row)  # when it may go is asked of the mail
    for kind, ids in unwanted.items():
        judgement = judgements[kind]
        changes = {"next_attempt_at": None, "failed_at": now, **standing(judgement)}
        await store.change_many(connection, ids, changes, kept(judgement, now, "digest"))
    return wanted


async def _content(connection: AsyncConnection, library: Library, ids: Sequence[UUID], locale: str) -> Content:
    rows = await digests.words_of(connection, ids[:MOST_LINES])
    items = [await _item(library, row) for row in rows]
    told = lines(items, locale, len(ids))
    return Content(subject(locale, len(ids)), as_text(told), as_html(told))


async def _item(library: Library, row: RowMapping) -> Item:
    if row["template_id"] is None:
        return Item(row["subject"] or "", row["content"] or "")
    locale = row["locale"] or "en"
    try:
        compiled = await library.get(row["template_id"], row["template_version"], locale)
        content = render(compiled, row["variables"], locale=locale, timezone=row["timezone"] or "UTC")
    except TemplateFaultError as error:
        log.warning("digest.item_not_rendered", notification_id=str(row["id"]), reason=str(error))
        return Item(row["type"], "")
    return Item(content.subject, content.text)


async def close_digests(database: Database, desk: Desk, clock: Clock, stop: asyncio.Event) -> None:
    """Make the mails of digests as their windows end, until `stop`; any number of processes may."""
    library = Library(database)
    while not stop.is_set():
        try:
            if await close_one(database, desk, library, clock()):
                continue
        except digests.PutOffError:
            log.exception("digest.put_off")
            continue
        except (SQLAlchemyError, OSError) as error:
            log.warning("digests.unreachable", reason=type(error).__name__)
        await pause(stop, POLL_SECONDS)
