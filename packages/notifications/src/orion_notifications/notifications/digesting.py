"""Closing digests: when a window is over, its messages become one mail, in one transaction."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.background import pause
from orion_core.clock import Clock
from orion_core.database import Database
from orion_notifications.decisions.rules import Draft, Facts, Outcome, judge
from orion_notifications.decisions.shapes import kept, with_one_more
from orion_notifications.delivery.actions import withdraw
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

    What a worker has in hand, since it went by itself, is left out, and so is what its user wants no more.
    """
    async with digests.due_digest(database, now) as (transaction, digest):
        connection = transaction.connection
        if digest is None:
            return False
        found = await digests.items_of(connection, digest["id"], now)
        contact = await contact_of(connection, digest["user_id"])
        withdrawn = [row for row in found if await withdraw(transaction, row["id"])]
        taken = await _still_wanted(connection, desk, contact, withdrawn, now)
        if taken:
            order = Order(
                key=f"digest:{digest['id']}",
                type=OF_DIGESTS,
                template=None,
                channel=Channel.EMAIL,
                user_id=digest["user_id"],
                content=await _content(library, taken, contact.locale),
                category=Category[taken[0]["category"]],
                metadata={"digest_of": [str(row["id"]) for row in taken]},
            )
            mail = await accept(transaction, desk, order, now)
            said = {
                "status": NotificationStatus.CANCELLED,
                "cancelled_at": now,
                "next_attempt_at": None,
                "error_code": "digested",
                "error_message": f"it is told of in the digest {mail.id}",
            }
            for row in taken:
                await store.change(connection, row["id"], said)
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
    wanted: list[RowMapping] = []
    for row in rows:
        draft = Draft(row["type"], Category[row["category"]], Channel.EMAIL, Priority.NORMAL, contact.email)
        judgement = judge(draft, Facts(contact, suppressions, is_accepted=True), now)
        if judgement.outcome is not Outcome.REJECTED:
            wanted.append(row)  # when it may go is asked of the mail
            continue
        decisions = with_one_more(row["decisions"], kept(judgement, now, "digest"))
        changes = {"decisions": decisions, "next_attempt_at": None, "failed_at": now, **standing(judgement)}
        await store.change(connection, row["id"], changes)
    return wanted


async def _content(library: Library, rows: Sequence[RowMapping], locale: str) -> Content:
    items = [await _item(library, row) for row in rows[:MOST_LINES]]
    told = lines(items, locale, len(rows))
    return Content(subject(locale, len(rows)), as_text(told), as_html(told))


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
