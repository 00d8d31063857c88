"""Forgetting a person in notifications: what waits is not sent, and of what was sent only the fact stays."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from packages.notifications.tests.notifications.test_sending import message
from sqlalchemy import text

from orion_contracts.erasures import IdentityErased, MessagesErased
from orion_contracts.events import EmailVerified
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_notifications.base import Table
from orion_notifications.choices.links import About, token
from orion_notifications.erasures import actions
from orion_notifications.kinds import Category, Channel

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers

    from orion_notifications.notifications.actions import Desk


async def rows(database: Database, query: str, **values: object) -> list[Any]:
    async with database.autocommit() as connection:
        return list((await connection.execute(text(query), values)).scalars())


def erased(auth: "AuthFeed", user_id: UUID) -> IdentityErased:
    return IdentityErased(user_id=user_id, erasure_id=uuid7(), counts={}, erased_at=auth.clock())


async def test_nothing_of_the_person_stays(auth: "AuthFeed", database: Database) -> None:
    ada, eve = await auth.register(name="Ada Lovelace"), await auth.register("eve@example.com", name="Eve")
    await auth.bring(auth.verification(ada), auth.verification(eve, "eve@example.com"))
    known = await actions.known_of(database, ada)
    assert known["user_preferences"][0]["email"] == "ada@example.com"
    assert len(known["notifications"]) == 2
    assert not any("sealed_variables" in row for row in known["notifications"])
    event = erased(auth, ada)
    await auth.bring(event, event)
    left = ""
    for table in Table.metadata.sorted_tables:
        left += str(await rows(database, f"SELECT to_jsonb(t) FROM {table.name} AS t"))
    assert [word for word in ("ada@example.com", "Lovelace") if word in left] == []
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


async def test_what_was_said_by_a_link_before_the_account_was_known_is_nobodys(
    caller: "Callers", auth: "AuthFeed", database: Database, desk: "Desk"
) -> None:
    """The words of a caller's key go with the message; the key itself goes on sending once."""
    body: dict[str, Any] = message(category="MARKETING", idempotency_key="welcome Ada Lovelace")
    body |= {"to": {"email": "ada@example.com"}}
    other = body | {"to": {"email": "eve@example.com"}, "idempotency_key": "welcome Eve"}
    async with caller("operator") as operator, caller(None) as anybody:
        for each in (body, other):
            (sent,) = (await operator.post("/notifications", json=each)).json()["notifications"]
            about = About(UUID(sent["id"]), Channel.EMAIL, Category.MARKETING, each["to"]["email"])
            assert (await anybody.post(f"/unsubscribe/{token(desk.keyring, about)}")).status_code == 200
        ada = await auth.register()
        await auth.bring(EmailVerified(user_id=ada, email="ada@example.com", verified_at=auth.clock()))
        await auth.bring(erased(auth, ada))
        said = "SELECT jsonb_build_array(ip_address, notification_id IS NULL) FROM consents ORDER BY id"
        assert await rows(database, said) == [[None, True], ["127.0.0.1", False]]
        assert "Ada" not in str(await rows(database, "SELECT idempotency_key FROM notifications"))
        again = (await operator.post("/notifications", json=body)).json()["notifications"]
        assert [each["is_new"] for each in again] == [False]


async def test_nobody_is_forgotten_too(auth: "AuthFeed", database: Database) -> None:
    await auth.bring(erased(auth, uuid7()))
    [told] = await rows(database, "SELECT data FROM outbox WHERE type = :type", type=MessagesErased.type)
    assert told["counts"] == {}
