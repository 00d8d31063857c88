"""Whether mails are read: told only where a template asks and the reader allows, and of readers apart from machines."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from packages.notifications.tests.conftest import KEYRING
from packages.notifications.tests.delivery.test_queue import add, claim, claimed_of, finish
from packages.notifications.tests.erasures.test_erasures import erased
from packages.notifications.tests.notifications.test_sending import message as order
from sqlalchemy.exc import OperationalError

from orion_core.database import Database
from orion_core.ids import uuid7, uuid7_at
from orion_core.local.mailbox import Mailbox
from orion_core.testing import MovableClock
from orion_notifications.delivery.actions import seal_secrets
from orion_notifications.delivery.messages import Message, Receipt
from orion_notifications.delivery.prepare import prepare
from orion_notifications.delivery.rules import Next
from orion_notifications.engagements.actions import record
from orion_notifications.engagements.links import FOLLOWED_FOR, Target, read, token
from orion_notifications.engagements.rules import (
    LONGEST_URL,
    MOST_RECORDED,
    Agent,
    Seen,
    agent_of,
    machine_reason,
    with_links,
    with_picture,
)
from orion_notifications.erasures.actions import known_of
from orion_notifications.kinds import Category, Priority
from orion_notifications.numbers.actions import count
from orion_notifications.templates.actions import Library
from orion_notifications.templates.rules import MASK, NOT_TRACKED, Compiled, Tracks, compile_content
from orion_notifications.tracking import Tracked

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query, Served, Working

    from orion_notifications.desk import Desk

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BODY = (
    '<body><a href="https://shop.example/o?a=1&amp;b=2">See</a> <a href="mailto:a@b.example">Write</a> '
    '<a href="tel:+491">Call</a> <a href="{{ unsubscribe_url }}">Unsubscribe</a> '
    '<a href="{{ preferences_url }}">Choose</a></body>'
)


async def make_template(caller: "Callers", **version: object) -> None:
    """A template `news` whose mails are tracked."""
    async with caller("operator") as http:
        new = {"name": "news", "display_name": "News", "category": "MARKETING", "channel": "EMAIL"}
        path = (await http.post("/templates", json=new)).headers["Location"]
        words = {"subject": "News", "text": "See https://shop.example/o or end it: {{ unsubscribe_url }}", "html": BODY}
        body = {"locales": {"en": words}, "tracks_opens": True, "tracks_clicks": True, **version}
        made = await http.post(f"http://n{path}/versions", json=body)
        assert made.status_code == 201, made.text
        answer = await http.put(f"http://n{path}/published-version", json={"version": made.json()["version"]})
        assert answer.status_code == 200, answer.text


async def test_links_of_a_tracked_mail_lead_through_us_and_those_of_who_refuses_do_not(
    caller: "Callers", auth: "AuthFeed", working: "Working", mailbox: Mailbox, query: "Query", database: Database
) -> None:
    ada, bob = await auth.register(locale="en"), await auth.register("bob@example.com", locale="en")
    await query("DELETE FROM notification_queue")
    await make_template(caller)
    async with caller(bob) as http:
        chosen = await http.patch("/me/preferences", json={"refuses_tracking": True})
        assert chosen.json()["refuses_tracking"] is True
    news = {"template": "news", "content": None, "category": None, "type": "news"}
    async with caller("operator") as http:
        (sent,) = (await http.post("/notifications", json=order(ada, **news))).json()["notifications"]
        await http.post("/notifications", json=order(bob, **news))
    async with working():
        (hers,) = await mailbox.wait_for("ada@example.com")
        (his,) = await mailbox.wait_for("bob@example.com")
    assert "/clicks/" not in his.html
    assert "/opens/" not in his.html
    assert 'href="https://shop.example/o?a=1&amp;b=2"' in his.html
    assert "https://shop.example/o" in hers.text
    links = re.findall(r'href="([^"]+)"', hers.html)
    assert [link.split("/")[5] if "/v1/" in link else link for link in links] == [
        *("clicks", "mailto:a@b.example", "tel:+491", "unsubscribe", "preferences")
    ]
    (picture,) = re.findall(r'src="([^"]+)"', hers.html)
    (kept,) = await query("SELECT html_content FROM notifications WHERE id = :id", id=UUID(sent["id"]))
    assert "/clicks/" not in kept[0]
    (unsubscribing,) = re.findall(r"http\S+/unsubscribe/\S+", hers.text)
    records = str(await query("SELECT subject, content, html_content FROM notifications WHERE type = 'news'"))
    assert f"/unsubscribe/{MASK}" in records, "what is kept says where it led, and is good for nothing"
    for link in (*links[3:], unsubscribing):
        assert link.rpartition("/")[2] not in records
    await query("UPDATE notifications SET sent_at = sent_at - interval '1 minute'")
    path, seen = links[0].split("7103", 1)[1], picture.split("7103", 1)[1]
    async with caller(None) as nobody:
        saying = ({"User-Agent": FIREFOX} | more for more in ({}, {}, {"Sec-Purpose": "prefetch;prerender"}))
        followed, *_ = [await nobody.get(f"http://n{path}", headers=said) for said in saying]
        await nobody.head(f"http://n{path}", headers={"User-Agent": FIREFOX})
        shown = await nobody.get(f"http://n{seen}", headers={"User-Agent": "Mozilla/5.0"})
        assert (await nobody.get(f"http://n{path[:-2]}xx")).status_code == 404
    assert (followed.status_code, followed.headers["location"]) == (302, "https://shop.example/o?a=1&b=2")
    assert "no-store" in followed.headers["cache-control"]
    assert (shown.headers["content-type"], shown.content[:6]) == ("image/gif", b"GIF89a")
    async with caller("operator") as http:
        told = (await http.get(f"/notifications/{sent['id']}/engagements")).json()["items"]
    assert [(each["kind"], each["link"], each["agent"], each["machine"]) for each in told] == [
        *[("CLICK", 1, "BROWSER", None)] * 2,
        ("CLICK", 1, "BROWSER", "prefetch"),
        ("CLICK", 1, "BROWSER", "head_request"),
        ("OPEN", 0, "PROXY", "mail_proxy"),
    ]
    while await count(database):
        pass
    assert await query("SELECT sum(opened), sum(clicked) FROM notification_numbers") == [(0, 1)]
    known = json.loads(b"".join([piece async for piece in known_of(database, ada)]))
    assert len(known["engagements"]) == 5
    await auth.bring(erased(auth, ada))
    async with caller(None) as nobody:
        await nobody.get(f"http://n{path}", headers={"User-Agent": FIREFOX})
    assert await query("SELECT count(*) FROM engagements") == [(0,)], "also of what is followed later"


async def test_what_is_recorded_of_one_message_has_an_end_and_many_links_at_once_are_no_readers(
    database: Database, query: "Query"
) -> None:
    notification_id = await add(database)
    (claimed,) = await claim(database)
    await finish(database, claimed)
    await query("UPDATE notifications SET sent_at = sent_at - interval '1 minute'")
    picture, *links = [Target(notification_id, number, "https://a.example") for number in (0, 1, 2, 3, 4)]
    await record(database, picture, FIREFOX)
    await asyncio.gather(*(record(database, link, FIREFOX) for link in links))
    assert await query("SELECT DISTINCT machine FROM engagements") == [("many_links",)], "with the picture"
    count = "SELECT count(*) FILTER (WHERE machine IS NULL), count(*) FILTER (WHERE machine <> '') FROM engagements"
    for _ in range(MOST_RECORDED):
        await record(database, links[0], "bingbot")
    assert await query(count) == [(0, MOST_RECORDED)]
    long_ago = "UPDATE engagements SET occurred_at = occurred_at - interval '1 minute'"
    await query(long_ago)
    for link in (*links[:2], picture):
        await record(database, link, FIREFOX)
    assert await query(count) == [(3, MOST_RECORDED)], "two links and the picture are a reader's, who has room left"
    for _ in range(MOST_RECORDED):
        await record(database, links[0], FIREFOX)
    assert await query(count) == [(MOST_RECORDED, MOST_RECORDED)]
    await record(database, Target(uuid7(), 1, "https://a.example"), FIREFOX)
    assert await query(count) == [(MOST_RECORDED, MOST_RECORDED)], "of no message"


async def test_a_link_leads_on_while_the_database_is_down(
    served: "Served", desk: "Desk", monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("down"))

    monkeypatch.setattr(Database, "transaction", down)
    made = token(desk.keyring, Target(uuid7(), 1, "https://a.example/"))
    async with served.client() as http:
        answer = await http.get(f"/notifications/v1/clicks/{made}")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://a.example/")


async def test_links_and_pictures_end_and_an_operator_ends_them(
    served: "Served", desk: "Desk", clock: MovableClock
) -> None:
    """Nothing is looked up: when its message was taken stands in the id."""
    target = Target(uuid7_at(clock()), 1, "https://a.example/")
    click = f"/notifications/v1/clicks/{token(desk.keyring, target)}"
    picture = f"/notifications/v1/opens/{token(desk.keyring, replace(target, number=0, url=''))}.gif"

    async def statuses() -> list[int]:
        async with served.client() as http:
            return [(await http.get(path)).status_code for path in (click, picture)]

    clock.advance(seconds=(FOLLOWED_FOR - timedelta(minutes=1)).total_seconds())
    assert await statuses() == [302, 200]
    components = served.application.state.components
    served.application.state.components = replace(components, links_since=clock())
    assert await statuses() == [410, 410]
    served.application.state.components = components
    clock.advance(minutes=2)
    assert await statuses() == [410, 410]


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://a.example/x\r\nSet-Cookie: a=b", "https://a.example/x%0D%0ASet-Cookie:%20a=b"),
        ("https://a.example/\u4f8b?q=a%20b&c=[1]#d", "https://a.example/%E4%BE%8B?q=a%20b&c=[1]#d"),
    ],
)
async def test_a_link_is_one_header_whatever_is_in_it(served: "Served", desk: "Desk", url: str, location: str) -> None:
    made = token(desk.keyring, Target(uuid7(), 1, url))
    async with served.client() as http:
        answer = await http.get(f"/notifications/v1/clicks/{made}")
    assert (answer.status_code, answer.headers["location"]) == (302, location)


async def test_mails_about_security_are_not_tracked(database: Database, message: Callable[..., Message]) -> None:
    left: list[Message] = []

    async def send(message: Message) -> Receipt:
        left.append(message)
        return Receipt(Next.SENT, "smtp")

    mails = Tracked(send, database, KEYRING, "https://us")
    html = '<a href="https://a.example">x</a>'
    for category in (Category.SECURITY, Category.ACCOUNT):
        await mails.send(message(html=html, category=category, tracks=Tracks(clicks=True)))
    assert [each.content.html == html for each in left] == [True, False]


async def test_mails_with_a_secret_in_them_are_not_tracked() -> None:
    source = {"subject": "s", "text": "{{ code }}", "html": "<p>{{ code }}"}
    compiled = replace(compile_content(source), tracks=Tracks(opens=True, clicks=True))

    class Fixed(Library):
        async def get(self, template_id: UUID, version: int, locale: str) -> Compiled:
            return compiled

    claimed = claimed_of(Priority.NORMAL)._replace(template_id=uuid7(), template_version=1)
    secret = claimed._replace(variables={}, sealed_variables=seal_secrets({"code": "1"}, claimed.id, KEYRING))
    for each, tracks in ((claimed._replace(variables={"code": "1"}), compiled.tracks), (secret, NOT_TRACKED)):
        message, _ = await prepare(each, Fixed(None), KEYRING)  # pyright: ignore[reportArgumentType] - asks nobody
        assert message.tracks == tracks


def test_nobody_else_makes_a_link() -> None:
    target = Target(uuid7(), 1, "https://a.example/")
    made = token(KEYRING, target)
    assert read(KEYRING, made) == target
    assert read(KEYRING, made[:-4] + "AAAA") is None
    assert read(KEYRING, "") is None


def test_only_links_to_the_web_are_replaced() -> None:
    seen: list[tuple[int, str]] = []

    def through(number: int, url: str) -> str:
        seen.append((number, url))
        return f"https://us/{number}?a&b"

    own = "https://us/notifications/"
    html = f"""<a title=">" HREF='http://a.example/?x=1&amp;y=2'>1</a><A class=x href="https://b.example">2</A>
      <a href="{own}v1/unsubscribe/x">3</a><a href="#top">4</a><a data-href="https://c.example">5</a>
      <a href="javascript:x">6</a><a href="https://d.example/{"x" * LONGEST_URL}">7</a><area href="https://e.example">"""
    written = with_links(html, own, through)
    assert seen == [(1, "http://a.example/?x=1&y=2"), (2, "https://b.example")]
    assert written.count("https://us/1?a&amp;b") == 1
    assert 'data-href="https://c.example"' in written
    assert with_links('<a "' * 100_000, own, through) == '<a "' * 100_000, "in no time"
    assert with_picture("<body>x</body></html>", "https://us/p").endswith('style="border:0"></body></html>')


@pytest.mark.parametrize(
    ("user_agent", "is_head", "since", "links", "machine"),
    [
        (FIREFOX, False, 60, 1, None),
        (FIREFOX, True, 60, 1, "head_request"),
        (FIREFOX, False, 4, 1, "too_soon"),
        (FIREFOX, False, None, 1, "too_soon"),
        (FIREFOX, False, 60, 3, "many_links"),
        ("Mozilla/5.0", False, 60, 1, "mail_proxy"),
        ("Mozilla/5.0 (via ggpht.com GoogleImageProxy)", False, 60, 1, "mail_proxy"),
        ("Barracuda Sentinel", False, 60, 1, "scanner"),
        ("Mozilla/5.0 (compatible; bingbot/2.0)", False, 60, 1, "scanner"),
        ("Mozilla/5.0 (Linux; Android 10; CUBOT X30) Chrome/120.0 Mobile Safari/537.36", False, 60, 1, None),
        ("", False, 60, 1, "scanner"),
    ],
)
def test_who_is_no_reader(user_agent: str, is_head: bool, since: float | None, links: int, machine: str | None) -> None:
    assert agent_of(FIREFOX) is Agent.BROWSER
    since_sent = None if since is None else timedelta(seconds=since)
    assert machine_reason(Seen(agent_of(user_agent), is_head, False, since_sent, links)) == machine
