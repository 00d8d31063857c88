"""Sending again by hand what was given up: of an erased person there is nothing left to be sent."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from packages.notifications.tests.erasures.test_erasures import erased, is_waiting
from packages.notifications.tests.notifications.test_sending import message

from orion_core.database import Database
from orion_core.testing import MovableClock
from orion_notifications.erasures import store

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query, Until


async def test_what_an_erasure_has_emptied_is_not_sent_again(
    caller: "Callers", auth: "AuthFeed", database: Database, query: "Query", until: "Until", clock: MovableClock
) -> None:
    """Neither afterwards nor at the same moment; an empty message would stand in an inbox, under the person's id."""
    ada, later = await auth.register(), (clock() + timedelta(hours=1)).isoformat()
    await auth.bring(auth.verification(ada))
    async with caller("operator") as operator:
        body = message(ada, channels=["IN_APP", "EMAIL"], scheduled_at=later)
        waiting = [each["id"] for each in (await operator.post("/notifications", json=body)).json()["notifications"]]
        body = message(ada, channels=["IN_APP"], scheduled_at=later)
        (first,) = (await operator.post("/notifications", json=body)).json()["notifications"]
        again = first["id"]
        for _ in range(2):  # what was sent again can be sent again
            assert (await operator.post(f"/notifications/{again}/cancellation")).status_code == 200
            answer = await operator.post(f"/notifications/{again}/retry")
            assert answer.status_code == 202, answer.text
            again = answer.json()["id"]
        in_hand = "UPDATE notifications SET status = 'PROCESSING', processing_at = now() WHERE id = :id"
        await query(in_hand, id=UUID(waiting[0]))
        assert (await operator.post(f"/notifications/{again}/cancellation")).status_code == 200
        before = await query("SELECT count(*) FROM notifications")
        async with database.transaction() as transaction:
            await store.erase(transaction.connection, ada, clock())
            trying = asyncio.create_task(operator.post(f"/notifications/{again}/retry"))
            await until(lambda: is_waiting(database))
        await auth.bring(erased(auth, ada))
        answers = [await trying, *[await operator.post(f"/notifications/{each}/retry") for each in waiting]]
    assert [(answer.status_code, answer.json().get("code")) for answer in answers] == [(409, "erased")] * 3
    assert await query("SELECT count(*) FROM notifications") == before
    assert await query("SELECT count(*) FROM notification_queue") == [(0,)]
