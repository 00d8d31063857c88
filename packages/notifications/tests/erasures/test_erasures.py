"""Forgetting a person in notifications: what waits is not sent, and of what was sent only the fact stays."""

import asyncio
import json
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from uuid import UUID

from packages.notifications.tests.notifications.test_sending import message
from sqlalchemy import text

from orion_contracts.api_keys import NotificationsApiKeyUsed
from orion_contracts.audit import NotificationsAuditRecorded
from orion_contracts.erasures import IdentityErased, MessagesErased
from orion_contracts.events import EmailVerified
from orion_core import audit_trail
from orion_core.audit_trail import Entry
from orion_core.database import Database
from orion_core.events import outbox
from orion_core.ids import uuid7
from orion_notifications.base import Table
from orion_notifications.choices.links import About, token
from orion_notifications.digests.actions import due_digest, put_into_digest
from orion_notifications.erasures import actions, store
from orion_notifications.escalations.actions import Escalating, go_on
from orion_notifications.kinds import Category, Channel
from orion_notifications.notifications.actions import accept
from orion_notifications.notifications.rules import Order
from orion_notifications.notifications.sending import send_next
from orion_notifications.templates.rules import Content

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Until

    from orion_notifications.desk import Desk


async def rows(database: Database, query: str, **values: object) -> list[Any]:
    async with database.autocommit() as connection:
        return list((await connection.execute(text(query), values)).scalars())


def erased(auth: "AuthFeed", user_id: UUID) -> IdentityErased:
    return IdentityErased(user_id=user_id, erasure_id=uuid7(), counts={}, erased_at=auth.clock())


async def test_nothing_of_the_person_stays(auth: "AuthFeed", database: Database) -> None:
    ada, eve = await auth.register(name="Ada Lovelace"), await auth.register("eve@example.com", name="Eve")
    await auth.bring(auth.verification(ada), auth.verification(eve, "eve@example.com"))
    known = json.loads(b"".join([piece async for piece in actions.known_of(database, ada)]))
    assert known["user_preferences"][0]["email"] == "ada@example.com"
    assert len(known["notifications"]) == 2
    assert not any("sealed_variables" in row for row in known["notifications"])
    async with database.transaction() as transaction:
        entry = Entry("preferences.update", "preferences", user_id=ada, new={"email": "ada@example.com"})
        await audit_trail.record(transaction, NotificationsAuditRecorded, entry, auth.clock())
        entry = Entry("template.update", "template", by=str(ada), ip_address=ip_address("192.0.2.77"))
        await audit_trail.record(transaction, NotificationsAuditRecorded, entry, auth.clock())
        place = {"last_used_at": auth.clock(), "ip_address": "192.0.2.77"}
        used = NotificationsApiKeyUsed.read({"key_id": uuid7(), "user_id": ada, "count": 1} | place)
        await outbox.write(transaction, used, auth.clock())
    event = erased(auth, ada)
    await auth.bring(event, event)
    left = ""
    for table in Table.metadata.sorted_tables:
        left += str(await rows(database, f"SELECT to_jsonb(t) FROM {table.name} AS t"))
    left += str(await rows(database, "SELECT data FROM outbox"))
    assert "template.update" in left
    assert [word for word in ("ada@example.com", "Lovelace", "192.0.2.77") if word in left] == []
    assert "eve@example.com" in left
    statuses = await rows(database, "SELECT status::text FROM notifications WHERE user_id = :ada", ada=ada)
    assert statuses == ["CANCELLED", "CANCELLED"]
    waiting = await rows(
        database,
        "SELECT n.user_id FROM notification_queue AS q JOIN notifications AS n ON n.id = q.notification_id",
    )
    assert set(waiting) == {eve}
    told = await rows(
        database, "SELECT data FROM outbox WHERE type = :type ORDER BY sequence", type=MessagesErased.type
    )
    assert [each["erasure_id"] for each in told] == [str(event.erasure_id)] * 2
    assert told[0]["counts"]["notifications"] == 2


async def test_a_message_in_a_workers_hands_is_written_down_by_nobody(auth: "AuthFeed", database: Database) -> None:
    ada = await auth.register()
    await auth.bring(auth.verification(ada))
    async with database.transaction() as transaction:
        await transaction.connection.execute(
            text("UPDATE notifications SET status = 'PROCESSING', processing_at = now() WHERE channel = 'EMAIL'")
        )
    await auth.bring(erased(auth, ada))
    statuses = await rows(database, "SELECT status::text FROM notifications WHERE channel = 'EMAIL'")
    assert statuses == ["EXPIRED"]
    assert await rows(database, "SELECT notification_id FROM notification_queue") == []


def order_to(user_id: UUID) -> Order:
    return Order(
        key=None,
        type="t",
        template=None,
        channel=Channel.EMAIL,
        user_id=user_id,
        content=Content("s", "Ada", None),
        category=Category.ACCOUNT,
    )


async def is_waiting(database: Database) -> bool:
    """Whether somebody waits for what another holds."""
    waiting = """SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE NOT l.granted AND a.datname = current_database()"""
    return bool(await rows(database, waiting))


async def left_of(database: Database, user_id: UUID) -> list[Any]:
    """The statuses of a person's messages, when none of them has a place in the queue."""
    places = """SELECT n.status::text FROM notification_queue q JOIN notifications n ON n.id = q.notification_id
      WHERE n.user_id = :user_id"""
    assert await rows(database, places, user_id=user_id) == []
    return await rows(database, "SELECT DISTINCT status::text FROM notifications WHERE user_id = :id", id=user_id)


async def test_an_erasure_waits_for_a_message_that_is_being_taken(
    auth: "AuthFeed", database: Database, desk: "Desk", until: "Until"
) -> None:
    ada = await auth.register()
    order = order_to(ada)
    async with database.transaction() as transaction:
        await accept(transaction, desk, order, auth.clock())
        erasing = asyncio.create_task(auth.bring(erased(auth, ada)))
        await until(lambda: is_waiting(database))
    await erasing
    assert await left_of(database, ada) == ["CANCELLED"]
    assert "Ada" not in str(await rows(database, "SELECT content FROM notifications"))


async def test_a_message_that_is_taken_during_an_erasure_has_no_address(
    auth: "AuthFeed", database: Database, desk: "Desk", until: "Until"
) -> None:
    ada = await auth.register()
    order = order_to(ada)

    async def take() -> None:
        async with database.transaction() as transaction:
            await accept(transaction, desk, order, auth.clock())

    async with database.transaction() as transaction:
        await store.erase(transaction.connection, ada, auth.clock())
        taking = asyncio.create_task(take())
        await until(lambda: is_waiting(database))
    await taking
    assert await rows(database, "SELECT recipient FROM notifications WHERE type = 't'") == [None]
    assert "QUEUED" not in await left_of(database, ada)


async def test_an_erasure_and_an_escalation_that_goes_on_do_not_wait_for_each_other(
    caller: "Callers", auth: "AuthFeed", database: Database, desk: "Desk", until: "Until"
) -> None:
    ada = await auth.register()
    async with caller("operator") as operator:
        body = message(ada, channels=["IN_APP", "EMAIL"], rule="FIRST")
        assert (await operator.post("/notifications", json=body)).status_code == 202
    async with database.transaction() as transaction:
        failed = (
            "UPDATE notifications SET status = 'FAILED', failed_at = now(), error_code = 'x' WHERE channel = 'IN_APP'"
        )
        await transaction.connection.execute(text(failed))
        await transaction.connection.execute(text("DELETE FROM notification_queue"))
    erasing = list[asyncio.Task[Any]]()

    async def send(*args: Any) -> Any:
        erasing.append(asyncio.create_task(auth.bring(erased(auth, ada))))
        await until(lambda: is_waiting(database))
        return await send_next(desk, *args)

    auth.clock.advance(seconds=6)
    assert await go_on(database, Escalating(desk.keyring, send), auth.clock())
    await erasing[0]
    assert await rows(database, "SELECT id FROM escalations") == []
    assert sorted(await left_of(database, ada)) == ["CANCELLED", "FAILED"]


async def test_an_erasure_and_a_digest_that_is_closed_do_not_wait_for_each_other(
    auth: "AuthFeed", database: Database, desk: "Desk", until: "Until"
) -> None:
    ada = await auth.register()
    order = order_to(ada)
    async with database.transaction() as transaction:
        assert await put_into_digest(transaction.connection, ada, auth.clock(), uuid7())
    async with due_digest(database, auth.clock()) as (transaction, digest):
        assert digest is not None
        erasing = asyncio.create_task(auth.bring(erased(auth, ada)))
        await until(lambda: is_waiting(database))
        await accept(transaction, desk, order, auth.clock())
    await erasing
    assert await rows(database, "SELECT id FROM digests") == []
    assert await left_of(database, ada) == ["CANCELLED"]


async def test_what_was_said_by_a_link_before_the_account_was_known_is_nobodys(
    caller: "Callers", auth: "AuthFeed", database: Database, desk: "Desk"
) -> None:
    """The words of a caller's key go with the message; the key itself goes on sending once."""
    body: dict[str, Any] = message(category="MARKETING", idempotency_key="welcome Ada Lovelace")
    body |= {"to": {"email": "ada@example.com"}}
    other = body | {"to": {"email": "eve@example.com"}, "idempotency_key": "welcome Eve"}
    async with caller("operator") as operator, caller(None) as anybody:
        for each, address in ((body, "ada@example.com"), (other, "eve@example.com")):
            (sent,) = (await operator.post("/notifications", json=each)).json()["notifications"]
            about = About(UUID(sent["id"]), Channel.EMAIL, Category.MARKETING, address)
            assert (await anybody.post(f"/unsubscribe/{token(desk.keyring, about, auth.clock())}")).status_code == 200
        ada = await auth.register()
        await auth.bring(EmailVerified(user_id=ada, email="ada@example.com", verified_at=auth.clock()))
        await auth.bring(erased(auth, ada))
        said = "SELECT jsonb_build_array(ip_address, notification_id IS NULL) FROM consents ORDER BY id"
        assert await rows(database, said) == [[None, True], ["127.0.0.1", False]]
        assert "Ada" not in str(await rows(database, "SELECT idempotency_key FROM notifications"))
        # Nor is what is said by it afterwards: it is heeded for the address, and tells of nobody.
        [id] = await rows(
            database, "SELECT id FROM notifications WHERE category = 'MARKETING' AND user_id = :id", id=ada
        )
        about = About(id, Channel.EMAIL, Category.MARKETING, "ada@example.com")
        for way in ("resubscribe", "unsubscribe"):
            assert (await anybody.post(f"/{way}/{token(desk.keyring, about, auth.clock())}")).status_code == 200
        said = "SELECT jsonb_build_array(is_given, user_id, ip_address, notification_id) FROM consents ORDER BY id"
        assert (await rows(database, said))[2:] == [[True, None, None, None], [False, None, None, None]]
        assert await rows(database, "SELECT count(*) FROM suppressions") == [2]
        again = (await operator.post("/notifications", json=body)).json()["notifications"]
        assert [each["is_new"] for each in again] == [False]


async def test_nobody_is_forgotten_too(auth: "AuthFeed", database: Database) -> None:
    await auth.bring(erased(auth, uuid7()))
    [told] = await rows(database, "SELECT data FROM outbox WHERE type = :type", type=MessagesErased.type)
    assert told["counts"] == {}
