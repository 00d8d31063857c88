"""One user gets no more of a type than a throttle lets through, however many ask at once."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from packages.notifications.tests.notifications.test_sending import at, message

from orion_core.testing import MovableClock

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query

THROTTLE = {"type": "order.shipped", "channel": "EMAIL", "most": 3, "window_seconds": 3600}


async def test_what_has_no_room_waits_for_the_next_window_also_in_a_race(
    caller: "Callers", auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    ada = await auth.register()
    noon = at(clock, "2026-11-27T12:10:00+00:00").replace(minute=0)
    async with caller("operator") as operator:
        assert (await operator.put("/throttles", json=THROTTLE)).status_code == 200
        answers = await asyncio.gather(*(operator.post("/notifications", json=message(ada)) for _ in range(8)))
        sent: list[dict[str, Any]] = [answer.json()["notifications"][0] for answer in answers]
        other = await operator.post("/notifications", json=message(ada, type="order.news"))
        assert other.json()["notifications"][0]["outcome"] == "SEND"
    until = Counter(each["until"] for each in sent)
    assert until == {None: 3, "2026-11-27T13:00:00Z": 3, "2026-11-27T14:00:00Z": 2}
    uses = await query("SELECT begins_at, used FROM throttle_uses ORDER BY 1")
    assert uses == [(noon + n * timedelta(hours=1), used) for n, used in enumerate((3, 3, 2))]


async def test_or_it_ends_and_says_why(caller: "Callers", auth: "AuthFeed", query: "Query") -> None:
    ada = await auth.register()
    async with caller("operator") as operator:
        for most in (2, 1):
            await operator.put("/throttles", json=THROTTLE | {"most": most, "excess": "REJECT", "channel": None})
        outcomes = [
            (await operator.post("/notifications", json=message(ada))).json()["notifications"][0]["code"]
            for _ in range(2)
        ]
        assert outcomes == [None, "throttled"]
        (kept,) = (await operator.get("/throttles")).json()["items"]
        assert (await operator.delete(f"/throttles/{kept['id']}")).status_code == 204
        assert (await operator.delete(f"/throttles/{kept['id']}")).status_code == 404
        again = await operator.post("/notifications", json=message(ada))
        assert again.json()["notifications"][0]["outcome"] == "SEND"
    told = await query(
        "SELECT data->'old'->'most', data->'new'->'most' FROM outbox WHERE data->>'action' LIKE 'throttle.%' "
        "ORDER BY sequence"
    )
    assert told == [(None, 2), (2, 1), (1, None)]


async def test_a_simulation_takes_no_room(caller: "Callers", auth: "AuthFeed", query: "Query") -> None:
    ada = await auth.register()
    async with caller("operator") as operator:
        await operator.put("/throttles", json=THROTTLE)
        for _ in range(5):
            answer = (await operator.post("/notifications/simulate", json=message(ada))).json()
            assert answer["simulated"][0]["judgement"]["outcome"] == "SEND"
    assert await query("SELECT count(*) FROM throttle_uses") == [(0,)]
