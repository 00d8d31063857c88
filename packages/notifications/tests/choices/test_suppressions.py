"""Addresses that get nothing, or little: who says so, who sees it, and when it ends."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from packages.notifications.tests.notifications.test_sending import message

from orion_notifications.kinds import Category, Channel
from orion_notifications.suppressions.rules import Suppression, SuppressionReason

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Callers, Query

    from orion_core.testing import MovableClock

MARKETING = {"category": "MARKETING"}


async def test_a_bounced_address_gets_nothing_and_one_who_complained_what_is_required(
    caller: "Callers", query: "Query"
) -> None:
    async with caller("operator") as operator:
        address = {"channel": "EMAIL", "recipient": "BOB@example.com"}
        assert (await operator.post("/suppressions", json=address)).status_code == 204
        for category in ("MARKETING", "SECURITY"):
            body = message(category=category)
            (sent,) = (await operator.post("/notifications", json=body)).json()["notifications"]
            assert sent["code"] == "suppressed"
        (found,) = (await operator.post("/suppressions/search", json=address)).json()["items"]
        assert (found["reason"], found["category"]) == ("MANUAL", None)
        await query("UPDATE suppressions SET reason = 'COMPLAINT'")
        outcomes: dict[str, Any] = {}
        for category in ("MARKETING", "SECURITY"):
            body = message(category=category)
            (sent,) = (await operator.post("/notifications", json=body)).json()["notifications"]
            outcomes[category] = sent["outcome"]
        assert outcomes == {"MARKETING": "REJECTED", "SECURITY": "SEND"}
        assert (await operator.post("/suppressions/release", json=address)).status_code == 204
        assert (await operator.post("/suppressions/release", json=address)).status_code == 404
    dump = await query("SELECT s::text FROM suppressions s UNION ALL SELECT o.data::text FROM outbox o")
    assert not [row for row in dump if "bob@example.com" in row[0].lower()], "the list is no list of people"


def test_after_stop_not_even_what_is_required_goes_by_sms(clock: "MovableClock") -> None:
    """Operators would carry none of it; by mail it comes all the same."""
    stop = Suppression(None, SuppressionReason.UNSUBSCRIBE)
    assert [stop.stops(Category.SECURITY, channel, clock()) for channel in (Channel.SMS, Channel.EMAIL)] == [
        True,
        False,
    ]


async def test_an_administrators_word_weighs_more_than_a_complaint(caller: "Callers", query: "Query") -> None:
    async with caller("operator") as operator:
        address = {"channel": "EMAIL", "recipient": "bob@example.com"}
        for before, after in (
            ("COMPLAINT", "MANUAL"), ("UNSUBSCRIBE", "MANUAL"), ("BOUNCE", "BOUNCE"),
        ):  # fmt: skip
            await operator.post("/suppressions", json=address)
            await query(f"UPDATE suppressions SET reason = '{before}'")
            passing = address | {"expires_at": "2099-01-01T00:00:00Z"}
            assert (await operator.post("/suppressions", json=passing)).status_code == 204
            assert await query("SELECT reason::text, expires_at FROM suppressions") == [(before, None)]
            assert (await operator.post("/suppressions", json=address)).status_code == 204
            assert await query("SELECT reason::text, expires_at FROM suppressions") == [(after, None)]


@pytest.mark.parametrize("ends", ["2020-01-01T00:00:00Z", "2030-01-01T00:00:00", 4102444800, "soon"])
async def test_a_suppression_ends_at_a_moment_to_come(caller: "Callers", query: "Query", ends: object) -> None:
    async with caller("operator") as operator:
        address = {"channel": "EMAIL", "recipient": "bob@example.com"}
        refused = await operator.post("/suppressions", json=address | {"expires_at": ends})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "/expires_at")
    assert await query("SELECT count(*) FROM suppressions") == [(0,)]


@pytest.mark.parametrize("permission", ["suppression:read", "notification:send"])
async def test_who_may_see_suppressions(caller: "Callers", permission: str) -> None:
    address = {"channel": "EMAIL", "recipient": "bob@example.com"}
    async with caller(f"key:{permission}") as http:
        assert (await http.post("/suppressions/search", json=address)).status_code == (
            200 if permission == "suppression:read" else 403
        )
        assert (await http.post("/suppressions", json=address)).status_code == 403


async def test_a_suppression_ends_by_the_clock_of_the_service(caller: "Callers", clock: "MovableClock") -> None:
    clock.advance(minutes=-5)  # the database's is ahead
    async with caller("operator") as operator:
        for seconds in (60, 30):
            address = {"channel": "EMAIL", "recipient": "bob@example.com"}
            ending = address | {"expires_at": (clock() + timedelta(seconds=seconds)).isoformat()}
            assert (await operator.post("/suppressions", json=ending)).status_code == 204
