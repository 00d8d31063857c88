"""Searching over HTTP by what no index serves: so far for a page, and no message left out or shown twice."""

from typing import TYPE_CHECKING

import httpx
import pytest

from orion_notifications.notifications import store

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Callers, Query

TAKE = """
INSERT INTO notifications (id, type, category, channel, status, processing_at, sent_at, recipient, content)
SELECT uuidv7_floor(now() - n * interval '1 millisecond'), 'order.shipped', 'ACCOUNT', 'EMAIL', 'SENT', now(), now(),
  CASE WHEN n IN (3, 4, 11, 40) THEN 'rare@example.com' ELSE 'often@example.com' END, 'Sent.'
FROM generate_series(1, 44) AS n
"""


async def turned(operator: httpx.AsyncClient, **filters: object) -> tuple[list[str], list[int]]:
    """Every page of a search, one after the other: the messages, and how many stood on each."""
    found: list[str] = []
    sizes: list[int] = []
    following: str | None = None
    while not sizes or following is not None:
        cursor = {} if following is None else {"cursor": following}
        page = (await operator.get("/notifications", params={**filters, **cursor})).json()  # pyright: ignore[reportArgumentType]
        following = page["next"]
        found += [item["id"] for item in page["items"]]
        sizes.append(len(page["items"]))
    return found, sizes


async def test_a_rare_recipient_is_looked_for_so_far_for_a_page_and_found_whole(
    caller: "Callers", query: "Query", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WALKED", 7)
    await query(TAKE)
    rare = {"recipient": "rare@example.com"}
    async with caller("operator") as operator:
        for others in ({}, {"status": "SENT"}, {"type": "order.shipped", "channel": "EMAIL"}):
            for limit, expected in ((1, [1, 1, 1, 0, 0, 0, 1]), (50, [2, 1, 0, 0, 0, 1, 0])):
                found, sizes = await turned(operator, limit=limit, **rare, **others)
                assert len(found) == 4
                assert (found, sizes) == (sorted(set(found), reverse=True), expected)
        found, sizes = await turned(operator, limit=20)
        assert (len(set(found)), sizes) == (44, [20, 20, 4])
