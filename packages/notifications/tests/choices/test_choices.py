"""What somebody wants, said signed in or by a link: heeded by what waits, written down, and never by opening a link."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from packages.notifications.tests.notifications.test_sending import at, message

from orion_contracts.events import EmailVerified
from orion_contracts.user_events import LocaleChanged, NotificationPreferencesChanged
from orion_core.ids import uuid7, uuid7_time
from orion_notifications.choices.links import About, token
from orion_notifications.kinds import Category, Channel

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query, Until, UserFeed, Working

    from orion_core.testing import MovableClock
    from orion_notifications.desk import Desk

NIGHT = {"enabled": True, "start": "22:00", "end": "07:00"}
MARKETING = {"category": "MARKETING"}


async def test_what_is_chosen_is_shown_and_what_is_required_cannot_be_switched_off(
    caller: "Callers", auth: "AuthFeed", query: "Query"
) -> None:
    ada = await auth.register()
    async with caller(ada) as http:
        assert (await http.get("/me/preferences")).json()["quiet_hours"] is None
        changed = await http.patch(
            "/me/preferences",
            json={"categories": {"MARKETING": {"EMAIL": False}}, "quiet_hours": NIGHT | {"overrides": {"6": None}}},
        )
        assert changed.status_code == 200, changed.text
        assert changed.json() == (await http.get("/me/preferences")).json()
        assert changed.json()["quiet_hours"]["overrides"] == {"6": None}
        for wrong in (
            {"categories": {"SECURITY": {"EMAIL": False}}},
            {"digests": {"SECURITY": "DAILY"}},
            {"timezone": "Europe/Atlantis"},
            {"quiet_hours": NIGHT | {"timezone": "Nowhere"}},
            {"quiet_hours": NIGHT | {"end": "22:00"}},
            {"quiet_hours": NIGHT | {"overrides": {"8": ["01:00", "02:00"]}}},
            {"quiet_hours": NIGHT | {"overrides": {"1": ["0\u0660:00", "0\u0666:00"]}}},
            {"digest_at": "0\u0666:00"},
            {"types": {"Bad Type": {"EMAIL": False}}},
        ):
            assert (await http.patch("/me/preferences", json=wrong)).status_code == 422, wrong
    rows = await query("SELECT channel::text, category::text, is_given, source::text FROM consents")
    assert rows == [("EMAIL", "MARKETING", False, "ACCOUNT")]


async def test_quiet_hours_that_cannot_be_read_hold_up_nobody(
    caller: "Callers", auth: "AuthFeed", query: "Query", working: "Working", until: "Until"
) -> None:
    ada, eve = await auth.register(), await auth.register("eve@example.com")
    async with caller(eve) as http, caller("operator") as operator:
        await http.patch("/me/preferences", json={"quiet_hours": NIGHT})
        await query(
            "UPDATE user_preferences SET quiet_hours_overrides = CAST(:hours AS jsonb) WHERE user_id = :eve",
            hours='{"1": ["0\u0660:00", "0\u0666:00"]}',
            eve=eve,
        )
        await auth.bring(auth.verification(eve, "eve@example.com"))
        for user_id in (ada, eve):
            assert (await operator.post("/notifications", json=message(user_id))).status_code == 202

    async def are_sent() -> bool:
        return await query("SELECT count(*) FROM notifications WHERE status = 'SENT'") == [(3,)]

    async with working():
        await until(are_sent)


async def test_a_type_goes_before_its_category(caller: "Callers", auth: "AuthFeed") -> None:
    ada = await auth.register()
    async with caller(ada) as http, caller("operator") as operator:
        wanted = {"categories": {"MARKETING": {"EMAIL": False}}, "types": {"order.shipped": {"EMAIL": True}}}
        await http.patch("/me/preferences", json=wanted)
        (sent,) = (await operator.post("/notifications", json=message(ada, **MARKETING))).json()["notifications"]
        assert sent["outcome"] == "SEND"
        other = message(ada, **MARKETING, type="order.news")
        (sent,) = (await operator.post("/notifications", json=other)).json()["notifications"]
        assert (sent["outcome"], sent["code"]) == ("REJECTED", "switched_off")


async def test_moving_to_another_zone_moves_what_waits(
    caller: "Callers", auth: "AuthFeed", query: "Query", clock: "MovableClock"
) -> None:
    ada = await auth.register()
    at(clock, "2026-11-27T23:30:00+00:00")
    async with caller(ada) as http, caller("operator") as operator:
        await http.patch("/me/preferences", json={"quiet_hours": NIGHT})
        (quiet,) = (await operator.post("/notifications", json=message(ada))).json()["notifications"]
        (nine,) = (await operator.post("/notifications", json=message(ada, local_time="09:00"))).json()["notifications"]

        async def due() -> list[str]:
            sql = "SELECT due_at FROM notification_queue WHERE notification_id = :id"
            found = [await query(sql, id=each["id"]) for each in (quiet, nine)]
            return [row[0][0].isoformat() for row in found]

        assert await due() == ["2026-11-28T06:00:00+00:00", "2026-11-28T08:00:00+00:00"]
        await http.patch("/me/preferences", json={"timezone": "America/New_York"})  # 18:30 there
        assert await due() == ["2026-11-27T23:30:00+00:00", "2026-11-28T14:00:00+00:00"]
        told = (await operator.get(f"/notifications/{quiet['id']}/explain")).json()
        assert [(each["by"], each["outcome"]) for each in told["judgements"]] == [
            ("acceptance", "DEFER"),
            ("preferences", "SEND"),
        ]
        await http.patch("/me/preferences", json={"types": {"order.shipped": {"EMAIL": False}}})
        fate = "SELECT status::text, error_code FROM notifications WHERE type = 'order.shipped' ORDER BY id"
        assert await query(fate) == [("QUEUED", None), ("REJECTED", "switched_off")], "the first is due: the worker's"


async def test_what_its_time_has_come_for_or_what_was_tried_goes_as_soon_as_it_is_not_quiet(
    caller: "Callers", auth: "AuthFeed", query: "Query", clock: "MovableClock"
) -> None:
    ada = await auth.register()
    at(clock, "2026-11-28T06:00:00+00:00")
    async with caller(ada) as http, caller("operator") as operator:
        hours = {"enabled": True, "start": "22:00", "end": "10:00"}
        await http.patch("/me/preferences", json={"quiet_hours": hours})
        for when in ({}, {"local_time": "08:00"}):
            assert (await operator.post("/notifications", json=message(ada, **when))).status_code == 202
        await query("UPDATE notifications SET attempts = 1 WHERE local_time IS NULL")  # as a worker puts it off again
        due = (
            "SELECT to_char(q.due_at, 'DD HH24:MI') FROM notification_queue q "
            "JOIN notifications n ON n.id = q.notification_id WHERE n.type = 'order.shipped'"
        )
        assert await query(due) == [("28 09:00",)] * 2
        clock.advance(hours=2)  # nine in Berlin
        await http.patch("/me/preferences", json={"quiet_hours": hours | {"enabled": False}})
        assert await query(due) == [("28 08:00",)] * 2, "now, and not at eight of tomorrow"


async def test_moving_to_another_zone_in_user_moves_what_waits(
    caller: "Callers", auth: "AuthFeed", user: "UserFeed", query: "Query", clock: "MovableClock"
) -> None:
    ada = await auth.register()
    at(clock, "2026-11-27T23:30:00+00:00")
    async with caller(ada) as http, caller("operator") as operator:
        await http.patch("/me/preferences", json={"quiet_hours": NIGHT})
        for when in ({}, {"local_time": "09:00"}):
            assert (await operator.post("/notifications", json=message(ada, **when))).status_code == 202
    due = (
        "SELECT to_char(q.due_at, 'DD HH24:MI') FROM notification_queue q "
        "JOIN notifications n ON n.id = q.notification_id WHERE n.type = 'order.shipped' ORDER BY n.id"
    )
    assert await query(due) == [("28 06:00",), ("28 08:00",)]
    await user.bring(LocaleChanged(user_id=ada, locale="fr", timezone="America/New_York", changed_at=clock()))
    assert await query(due) == [("27 23:30",), ("28 14:00",)]
    kept = "SELECT locale, timezone FROM user_preferences"
    assert await query(kept) == [("fr", "America/New_York")]
    await user.bring(LocaleChanged(user_id=ada, locale="fr", timezone="Mars/Olympus", changed_at=clock()))
    assert await query(kept) == [("fr", "UTC")]
    await user.bring(LocaleChanged(user_id=uuid7(), locale="fr", timezone="Asia/Tokyo", changed_at=clock()))
    assert await query("SELECT count(*) FROM user_preferences") == [(1,)], "of nobody known nothing is kept"


async def test_the_worker_decides_once_more_before_it_sends(
    caller: "Callers",
    auth: "AuthFeed",
    query: "Query",
    clock: "MovableClock",
    working: "Working",
    until: "Until",
) -> None:
    ada = await auth.register()
    at(clock, "2026-11-27T23:30:00+00:00")
    async with caller("operator") as operator:
        (sent,) = (await operator.post("/notifications", json=message(ada))).json()["notifications"]
        (urgent,) = (await operator.post("/notifications", json=message(ada, priority="URGENT"))).json()[
            "notifications"
        ]
        assert sent["outcome"] == "SEND"
        await query(
            "UPDATE user_preferences SET quiet_hours_enabled = true, quiet_hours_start = '22:00', "
            "quiet_hours_end = '07:00' WHERE user_id = :id",
            id=ada,
        )

        async def is_put_off() -> bool:
            rows = await query(
                "SELECT status::text, attempts, deferred_reason FROM notifications ORDER BY id DESC LIMIT 2"
            )
            states = [row[0] for row in rows]
            return states == ["SENT", "QUEUED"] and rows[1][2] is not None

        async with working():
            await until(is_put_off)
        told = (await operator.get(f"/notifications/{sent['id']}/explain")).json()
        assert [(each["by"], each["outcome"]) for each in told["judgements"]] == [
            ("acceptance", "SEND"),
            ("worker", "DEFER"),
        ]
        assert [step["code"] for step in told["judgements"][1]["steps"] if step["verdict"] == "defer"] == ["quiet"]
        assert (await operator.get(f"/notifications/{urgent['id']}")).json()["status"] == "SENT"
    due = await query("SELECT due_at, attempt FROM notification_queue")
    assert due == [(datetime.fromisoformat("2026-11-28T06:00:00Z"), 1)]
    assert await query("SELECT attempts FROM notifications WHERE id = :id", id=UUID(sent["id"])) == [(0,)]


def link(desk: "Desk", message: UUID, recipient: str = "bob@example.com", channel: Channel = Channel.EMAIL) -> str:
    about = About(message, channel, Category.MARKETING, recipient)
    return token(desk.keyring, about, uuid7_time(message))


async def test_opening_a_link_changes_nothing_and_one_click_unsubscribes(
    caller: "Callers", query: "Query", desk: "Desk", working: "Working", until: "Until"
) -> None:
    body = message(**MARKETING)
    async with caller("operator") as operator, caller(None) as anybody:
        (waiting,) = (await operator.post("/notifications", json=body)).json()["notifications"]
        url = f"/unsubscribe/{link(desk, UUID(waiting['id']))}"
        for _ in range(2):
            opened = await anybody.get(url)
            assert opened.status_code == 200
            assert 'method="post"' in opened.text
            assert "default-src 'none'" in opened.headers["content-security-policy"]
            assert (await anybody.head(url)).status_code == 200
        assert await query("SELECT count(*) FROM suppressions") == [(0,)]
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for _ in range(2):
            clicked = await anybody.post(url, content="List-Unsubscribe=One-Click", headers=form)
            assert clicked.status_code == 200

        (other,) = (await operator.post("/notifications", json=body)).json()["notifications"]
        assert (other["outcome"], other["code"]) == ("REJECTED", "suppressed")
        (account,) = (await operator.post("/notifications", json=message())).json()["notifications"]
        assert account["outcome"] == "SEND"

        async def is_over() -> bool:
            return await query("SELECT count(*) FROM notification_queue") == [(0,)]

        async with working():
            await until(is_over)
        fate = "SELECT status::text, error_code FROM notifications WHERE id = :id"
        assert await query(fate, id=UUID(waiting["id"])) == [("REJECTED", "suppressed")]
        assert await query("SELECT is_given, source::text FROM consents") == [(False, "ONE_CLICK")]

        assert (await anybody.post(url.replace("unsubscribe", "resubscribe"))).status_code == 200
        (again,) = (await operator.post("/notifications", json=body)).json()["notifications"]
        assert again["outcome"] == "SEND"
        for bad in ("/unsubscribe/nonsense", "/preferences/nonsense", url[:-3] + "abc"):
            assert (await anybody.get(bad)).status_code == 404
            assert (await anybody.post(bad)).status_code == 404


async def test_what_an_address_has_said_is_told_without_what_others_have(
    caller: "Callers", auth: "AuthFeed", desk: "Desk"
) -> None:
    ada = await auth.register()
    async with caller("operator") as operator, caller(None) as anybody, caller(ada) as http:
        for address in ("bob@example.com", "eve@example.com"):
            body = message(**MARKETING) | {"to": {"email": address}}
            (sent,) = (await operator.post("/notifications", json=body)).json()["notifications"]
            await anybody.post(f"/unsubscribe/{link(desk, UUID(sent['id']), address)}")
        await http.patch("/me/preferences", json={"categories": {"SOCIAL": {"SMS": False}}})

        async def said(**whose: str) -> list[tuple[str | None, str]]:
            found = (await operator.get("/consents", params=whose)).json()["items"]
            return [(each["user_id"], each["category"]) for each in found]

        assert await said(recipient="Bob@example.com") == [(None, "MARKETING")]
        assert await said(recipient="nobody@example.com") == []
        assert await said(user_id=str(ada)) == [(str(ada), "SOCIAL")]
        assert await said(user_id=str(ada), recipient="eve@example.com") == [
            (str(ada), "SOCIAL"),
            (None, "MARKETING"),
        ]
        refused = await operator.get("/consents")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "user_id")


async def test_the_page_behind_the_link_chooses_for_its_user_alone(
    caller: "Callers", auth: "AuthFeed", query: "Query", desk: "Desk"
) -> None:
    ada = await auth.register()
    await auth.bring(EmailVerified(user_id=ada, email="ada@example.com", verified_at=auth.clock()))
    async with caller("operator") as operator, caller(None) as anybody, caller(ada) as http:
        (sent,) = (await operator.post("/notifications", json=message(ada, **MARKETING))).json()["notifications"]
        url = f"/preferences/{link(desk, UUID(sent['id']), 'ada@example.com')}"
        assert (await anybody.get(url)).text.count("checked") == 16
        before = await query("SELECT to_jsonb(p) - 'updated_at' FROM user_preferences p")
        await anybody.get(url)
        assert await query("SELECT to_jsonb(p) - 'updated_at' FROM user_preferences p") == before
        saved = await anybody.post(url, content="SOCIAL.EMAIL=on&SECURITY.EMAIL=&x=y")
        assert saved.text.count("checked") == 1
        chosen = (await http.get("/me/preferences")).json()["categories"]
        assert chosen["SOCIAL"]["EMAIL"] is True
        assert chosen["MARKETING"]["EMAIL"] is False
        assert "SECURITY" not in chosen
        stranger = await anybody.get(f"/preferences/{link(desk, uuid7())}")
        assert "Unsubscribe" in stranger.text


async def test_whoever_reads_a_mail_to_an_address_that_is_not_the_users_chooses_nothing_for_him(
    caller: "Callers", auth: "AuthFeed", query: "Query", desk: "Desk"
) -> None:
    """The address was mistyped, and is a stranger's; or it was the user's once."""
    ada = await auth.register()
    own = EmailVerified(user_id=ada, email="ada@example.com", verified_at=auth.clock())
    async with caller("operator") as operator, caller(None) as anybody:
        (sent,) = (await operator.post("/notifications", json=message(ada, **MARKETING))).json()["notifications"]

        async def chooses(channel: Channel, recipient: str) -> bool:
            url = f"/preferences/{link(desk, UUID(sent['id']), recipient, channel)}"
            shown, saved = await anybody.get(url), await anybody.post(url, content="")
            assert ("checkbox" in shown.text) is ("checkbox" in saved.text) is (saved.status_code == 200)
            assert shown.status_code == 200, "the address can be unsubscribed, whoever's it is"
            return saved.status_code == 200

        assert not await chooses(Channel.EMAIL, "ada@example.com"), "not verified"
        assert await query("SELECT chosen_channels FROM user_preferences") == [({},)]
        await auth.bring(own)
        assert not await chooses(Channel.EMAIL, "adda@example.com")
        assert not await chooses(Channel.SMS, "+4915112345678")
        assert not await chooses(Channel.PUSH, "ada@example.com")
        assert await query("SELECT chosen_channels FROM user_preferences") == [({},)]
        await query("UPDATE user_preferences SET phone = '+4915112345678'")
        assert await chooses(Channel.SMS, "+4915112345678")
        assert await chooses(Channel.EMAIL, "Ada@example.com")


async def test_the_page_leaves_alone_what_it_does_not_show(caller: "Callers", auth: "AuthFeed", desk: "Desk") -> None:
    ada = await auth.register()
    await auth.bring(EmailVerified(user_id=ada, email="ada@example.com", verified_at=auth.clock()))
    async with caller("operator") as operator, caller(None) as anybody, caller(ada) as http:
        off = {"WEBHOOK": False, "SLACK": False, "EMAIL": False}
        await http.patch("/me/preferences", json={"categories": {"MARKETING": off}})
        (sent,) = (await operator.post("/notifications", json=message(ada))).json()["notifications"]
        url = f"/preferences/{link(desk, UUID(sent['id']), 'ada@example.com')}"
        assert (await anybody.post(url, content="MARKETING.EMAIL=on")).status_code == 200
        chosen = (await http.get("/me/preferences")).json()["categories"]["MARKETING"]
    assert chosen == {
        "WEBHOOK": False, "SLACK": False, "EMAIL": True, "SMS": False, "PUSH": False, "IN_APP": False,
    }  # fmt: skip


async def test_choices_of_user_are_heeded_by_what_waits(
    caller: "Callers", auth: "AuthFeed", user: "UserFeed", query: "Query", clock: "MovableClock"
) -> None:
    ada = await auth.register()
    async with caller("operator") as operator:
        body = message(ada, scheduled_at=(clock() + timedelta(days=30)).isoformat())
        assert (await operator.post("/notifications", json=body)).status_code == 202
    off = {"email": False, "sms": True, "push": True, "in_app": True, "changed_at": clock()}
    await user.bring(NotificationPreferencesChanged.model_validate({"user_id": ada, **off}))
    assert await query("SELECT status::text, error_code FROM notifications WHERE channel = 'EMAIL'") == [
        ("REJECTED", "switched_off")
    ]
