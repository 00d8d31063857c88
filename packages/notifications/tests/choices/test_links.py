"""Links in mails end, and can be ended."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import orjson
import pytest

from orion_core.ids import uuid7, uuid7_at
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock
from orion_notifications.choices.actions import suppress_by_hand
from orion_notifications.choices.links import CHOOSES_FOR, PLACE, UNSUBSCRIBES_FOR, About, token
from orion_notifications.kinds import ALWAYS_ON, Category, Channel

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query, Served

BASE = "/notifications/v1"


async def statuses(served: "Served", text: str) -> list[int]:
    """What the four ways answer: unsubscribe shown and done, taken back, and everything chosen."""
    async with served.client() as http:
        answers = [
            await http.get(f"{BASE}/unsubscribe/{text}"),
            await http.post(f"{BASE}/unsubscribe/{text}", content="List-Unsubscribe=One-Click"),
            await http.post(f"{BASE}/resubscribe/{text}"),
            await http.get(f"{BASE}/preferences/{text}"),
        ]
    return [answer.status_code for answer in answers]


async def test_a_link_ends_and_the_page_of_all_choices_sooner_than_unsubscribing(
    served: "Served", query: "Query", clock: MovableClock
) -> None:
    keyring: Keyring = served.application.state.components.desk.keyring
    about = About(uuid7(), Channel.EMAIL, Category.MARKETING, "ada@example.com")
    made = token(keyring, about, clock())
    old_id = uuid7_at(clock())
    facts = [str(old_id), "EMAIL", "MARKETING", "ada@example.com"]
    old = keyring.seal_text(orjson.dumps(facts).decode(), PLACE)  # as they stand in mails that have left
    assert timedelta(days=60) <= CHOOSES_FOR < UNSUBSCRIBES_FOR
    assert await statuses(served, made) == await statuses(served, old) == [200, 200, 200, 200]
    clock.advance(seconds=CHOOSES_FOR.total_seconds() + 1)
    assert await statuses(served, made) == await statuses(served, old) == [200, 200, 200, 410]
    clock.advance(seconds=(UNSUBSCRIBES_FOR - CHOOSES_FOR).total_seconds())
    said = await query("SELECT count(*) FROM consents")
    assert await statuses(served, made) == await statuses(served, old) == [410, 410, 410, 410]
    assert await query("SELECT count(*) FROM consents") == said
    assert await statuses(served, made[:-4] + "AAAA") == [404, 404, 404, 404]


async def test_an_operator_ends_all_links_that_were_made_before(served: "Served", clock: MovableClock) -> None:
    components = served.application.state.components
    about = About(uuid7(), Channel.EMAIL, Category.MARKETING, "ada@example.com")

    def since(moment: datetime) -> None:
        served.application.state.components = replace(components, links_since=moment)

    made = token(components.desk.keyring, about, clock())
    since(clock() + timedelta(seconds=1))
    assert await statuses(served, made) == [410, 410, 410, 410]
    since(clock() - timedelta(seconds=1))
    assert await statuses(served, made) == [200, 200, 200, 200]


@pytest.mark.parametrize("category", [each for each in Category if each in ALWAYS_ON])
async def test_a_link_in_what_comes_always_switches_nothing_off(
    served: "Served", query: "Query", clock: MovableClock, category: Category
) -> None:
    """The link to all choices stands in it, too, and opens the other pages; by SMS such a STOP would be heeded."""
    keyring: Keyring = served.application.state.components.desk.keyring
    made = token(keyring, About(uuid7(), Channel.SMS, category, "+4915112345678"), clock())
    async with served.client() as http:
        shown = await http.get(f"{BASE}/preferences/{made}")
        said = await http.post(f"{BASE}/unsubscribe/{made}", content="List-Unsubscribe=One-Click")
    for answer in (shown, said):
        assert answer.status_code == 200
        assert "come always" in answer.text
        assert "form" not in answer.text.partition("<h1>")[2]
    assert await query("SELECT FROM suppressions") == await query("SELECT FROM consents") == []


async def test_a_page_does_not_say_off_of_what_is_over(served: "Served", query: "Query", clock: MovableClock) -> None:
    components = served.application.state.components
    about = About(uuid7(), Channel.EMAIL, Category.MARKETING, "ada@example.com")
    made, over = token(components.desk.keyring, about, clock()), clock() + timedelta(hours=1)
    await suppress_by_hand(components.database, components.desk, about.channel, about.recipient, None, over, clock())
    async with served.client() as http:
        before = await http.get(f"{BASE}/unsubscribe/{made}")
        clock.advance(hours=2)
        after = await http.get(f"{BASE}/unsubscribe/{made}")
    assert ("You get no more" in before.text, "You get no more" in after.text) == (True, False)
