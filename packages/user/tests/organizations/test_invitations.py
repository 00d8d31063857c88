"""Invitations as mails: asked for, sealed for notifications, sent again, accepted by token, told of at their end."""

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from packages.user.tests.conftest import EVENT_SEALING_KEYS
from packages.user.tests.organizations.conftest import MINE, ORGANIZATIONS, somebody

from orion_contracts.erasures import IdentityErased
from orion_contracts.events import EmailVerified
from orion_contracts.invitations import InvitationMailRequested, InvitationSecrets, InvitationsForgotten
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_user.organizations.expiring import tell_expired
from orion_user.organizations.rules import BETWEEN_MAILS, parse

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Give, PassTime, Query, Sign

    from orion_core.database import Database
    from orion_core.events.outbox import Outbox
    from orion_core.testing import MovableClock

ACCEPTANCES, GRACE = "/user/v1/me/invitation-acceptances", "grace@example.com"


@pytest.fixture
def mails(query: "Query") -> Any:
    """`await mails()`: what notifications was asked to send, with what it opens."""

    async def read() -> list[tuple[InvitationMailRequested, str]]:
        rows = await query("SELECT data FROM outbox WHERE type LIKE '%invitation_mail%' ORDER BY sequence")
        events = [InvitationMailRequested.read(data) for (data,) in rows]
        keys = Keyring.parse(EVENT_SEALING_KEYS)
        opened = [keys.open_text(event.secrets, event.associated_data()) for event in events]
        links = [InvitationSecrets.model_validate_json(text).link for text in opened]
        return list(zip(events, links, strict=True))

    return read


def token_of(link: str) -> str:
    page, _, token = link.partition("#invitation=")
    assert page == "https://app.example/join?from=mail"
    return token


async def test_the_mail_is_asked_for_in_the_readers_language_and_its_link_stands_nowhere_in_clear(
    ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", mails: Any, query: "Query"
) -> None:
    known = await auth.register(GRACE, locale="fr")
    await ada.post(f"{acme}/invitations", json={"email": GRACE})  # not verified: a stranger may have typed it
    await ada.post(f"{acme}/invitations", json={"email": "new@example.com"})
    await somebody(auth, "ken")
    await ada.post(f"{acme}/invitations", json={"email": "ken@example.com"})
    found = await mails()
    assert [(event.recipient, event.locale, event.organization) for event, _ in found] == [
        (GRACE, "de", "Acme"),
        ("new@example.com", "de", "Acme"),
        ("ken@example.com", "de", "Acme"),
    ]
    assert [event.user_id is None for event, _ in found] == [True, True, False]
    assert known not in [event.user_id for event, _ in found]
    for _, link in found:
        token = parse(token_of(link))
        assert token is not None
        for table in ("memberships", "outbox", "audit_logs"):
            assert not [row for (row,) in await query(f"SELECT t::text FROM {table} t") if token.secret in row]


async def test_whoever_has_read_the_mail_accepts_once_whatever_his_address_is(
    ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", mails: Any
) -> None:
    await ada.post(f"{acme}/invitations", json={"email": "work@example.com"})
    [(_, link)] = await mails()
    private = caller(await auth.register("private@example.com"), uuid7())
    token = token_of(link)
    for wrong in (token[:-1] + ("A" if token[-1] != "A" else "B"), "0" * 32 + token[32:], "x", token + "0"):
        refused = await private.post(ACCEPTANCES, json={"token": wrong})
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    answers = await asyncio.gather(*(private.post(ACCEPTANCES, json={"token": token}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404, 404]
    assert (await private.get(acme)).status_code == 200
    eve = caller(await somebody(auth, "eve"), uuid7())
    assert (await eve.post(ACCEPTANCES, json={"token": token})).status_code == 404


async def test_without_a_page_of_the_product_the_link_leads_to_a_button_of_ours(
    ada: httpx.AsyncClient,
    acme: str,
    auth: "AuthFeed",
    caller: "Caller",
    mails: Any,
    query: "Query",
    service: httpx.ASGITransport,
) -> None:
    await ada.post(f"{acme}/invitations", json={"email": GRACE})
    [(_, link)] = await mails()
    page = f"/user/v1/invitation-links/{token_of(link)}"
    known = await auth.register(GRACE)  # not verified: a stranger may have typed it
    before = await query("SELECT m::text FROM memberships m")
    assert (await ada.head(page)).status_code == 200
    for method in ("GET", "POST"):
        opened = await ada.request(method, page)
        assert (opened.status_code, "<form" in opened.text) == (409 if method == "POST" else 200, False)
        assert f"no account with the address {GRACE} yet" in opened.text
    await auth.bring(EmailVerified(user_id=known, email=GRACE, verified_at=auth.clock()))
    headed, opened = await ada.head(page), await ada.get(page)
    assert (headed.status_code, headed.text) == (200, "")
    assert (opened.status_code, '<form method="post"' in opened.text, "Acme" in opened.text) == (200, True, True)
    assert "default-src 'none'" in opened.headers["content-security-policy"]
    assert await query("SELECT m::text FROM memberships m") == before

    async with httpx.AsyncClient(transport=service, base_url=ada.base_url) as anybody:
        pressed = await asyncio.gather(*(anybody.post(page) for _ in range(3)))
        assert sorted(answer.status_code for answer in pressed) == [200, 410, 410]
        assert (await anybody.get(page)).status_code == (await anybody.get(f"{page}0")).status_code == 410
    assert (await caller(known, uuid7()).get(acme)).status_code == 200
    [(actor, address)] = await query("SELECT actor_id, ip_address FROM audit_logs WHERE action = 'membership.joined'")
    assert actor == known and address is not None


async def test_a_token_is_of_no_use_for_what_is_over(
    ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", mails: Any, pass_time: "PassTime"
) -> None:
    grace = caller(await somebody(auth, "grace"), uuid7())
    made = (await ada.post(f"{acme}/invitations", json={"email": GRACE})).json()["id"]
    await ada.delete(f"/user/v1/invitations/{made}")
    await ada.post(f"{acme}/invitations", json={"email": "late@example.com"})
    await pass_time(days=7)
    await ada.post(f"{acme}/invitations", json={"email": "gone@example.com"})
    await ada.delete(acme)
    for _, link in await mails():
        assert (await grace.post(ACCEPTANCES, json={"token": token_of(link)})).status_code == 404
    unsigned = httpx.AsyncClient(transport=ada._transport, base_url="http://user")
    assert (await unsigned.post(ACCEPTANCES, json={"token": "x"})).status_code == 401


async def test_an_invitation_is_mailed_again_with_a_new_link_and_a_new_end(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", mails: Any,
    pass_time: "PassTime", query: "Query",
) -> None:  # fmt: skip
    grace = caller(await somebody(auth, "grace"), uuid7())
    first = (await ada.post(f"{acme}/invitations", json={"email": GRACE})).json()
    again = f"/user/v1/invitations/{first['id']}/mails"
    early = await ada.post(again)
    assert (early.status_code, early.headers["Retry-After"]) == (429, str(int(BETWEEN_MAILS.total_seconds())))
    await pass_time(days=8)
    assert (await grace.post(again)).status_code == 403
    other = await boss.post(
        ORGANIZATIONS, json={"name": "O", "slug": "o", "owner_id": str(await somebody(auth, "bob"))}
    )
    bob = caller(UUID(other.json()["owner_id"]), uuid7())
    assert (await bob.post(again)).status_code == 403
    answers = await asyncio.gather(*(ada.post(again) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 429, 429, 429]
    [mailed] = [answer.json() for answer in answers if answer.status_code == 200]
    assert mailed["expires_at"] > first["expires_at"]
    old, new = [token_of(link) for _, link in await mails()]
    assert (await grace.post(ACCEPTANCES, json={"token": old})).status_code == 404
    assert (await grace.post(ACCEPTANCES, json={"token": new})).status_code == 200
    assert (await ada.post(again)).status_code == 404
    told = await query("SELECT data->>'change' FROM outbox WHERE type LIKE '%membership.changed%' ORDER BY sequence")
    assert [change for (change,) in told] == ["INVITED", "INVITED_AGAIN", "JOINED"]


async def test_an_address_is_not_mailed_over_and_over_by_taking_back_and_inviting_anew(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", mails: Any,
    pass_time: "PassTime", query: "Query",
) -> None:  # fmt: skip
    async def invite(email: str = GRACE) -> httpx.Response:
        return await ada.post(f"{acme}/invitations", json={"email": email})

    first = (await invite()).json()["id"]
    assert (await invite()).json()["code"] == "already_invited"
    await ada.delete(f"/user/v1/invitations/{first}")
    early = await invite()
    assert (early.status_code, early.json()["code"]) == (429, "mailed_just_now")
    assert early.headers["Retry-After"] == str(int(BETWEEN_MAILS.total_seconds()))
    assert len(await mails()) == 1
    assert await query("SELECT count(*) FROM memberships WHERE email IS NOT NULL AND status = 'INVITED'") == [(0,)]
    assert (await invite("other@example.com")).status_code == 201
    elsewhere = (await boss.post(ORGANIZATIONS, json={"name": "O", "slug": "o"})).json()["id"]
    assert (await boss.post(f"{ORGANIZATIONS}/{elsewhere}/invitations", json={"email": GRACE})).status_code == 201
    await pass_time(seconds=BETWEEN_MAILS.total_seconds() - 1)
    assert (await invite()).headers["Retry-After"] == "1"
    await pass_time(seconds=1)
    again = await invite()
    assert again.status_code == 201
    # Also by who has accepted and left, and by many at once.
    grace_id = await somebody(auth, "grace")
    grace = caller(grace_id, uuid7())
    assert (await grace.post(f"{MINE}/{again.json()['id']}/acceptance")).status_code == 200
    assert (await grace.delete(f"{acme}/members/{grace_id}")).status_code == 204
    assert (await invite()).status_code == 429
    await pass_time(seconds=BETWEEN_MAILS.total_seconds())
    before = len(await mails())

    async def make_and_take_back() -> None:
        made = await invite()
        if made.status_code == 201:
            await ada.delete(f"/user/v1/invitations/{made.json()['id']}")

    await asyncio.gather(*(make_and_take_back() for _ in range(12)))
    assert len(await mails()) == before + 1


async def test_what_an_address_was_invited_to_is_forgotten_with_its_owner(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", mails: Any,
    clock: "MovableClock", query: "Query", sign: "Sign",
) -> None:  # fmt: skip
    async def invite(name: str, email: str) -> str:
        made = await boss.post(ORGANIZATIONS, json={"name": name, "slug": name})
        invited = await boss.post(f"{ORGANIZATIONS}/{made.json()['id']}/invitations", json={"email": email})
        assert invited.status_code == 201, invited.text
        return invited.json()["id"]

    grace = await somebody(auth, "grace")
    for email in (GRACE, "new@example.com"):
        await ada.post(f"{acme}/invitations", json={"email": email})
    await boss.delete(f"/user/v1/invitations/{await invite('back', GRACE)}")
    declined = await invite("declined", GRACE)
    assert (await caller(grace, uuid7()).delete(f"/user/v1/invitations/{declined}")).status_code == 204
    joined = await invite("joined", GRACE)
    token = token_of((await mails())[-1][1])
    friend = caller(await somebody(auth, "friend"), uuid7())
    assert (await friend.post(ACCEPTANCES, json={"token": token})).json()["id"] == joined
    of_mails = "SELECT data->>'message_id' FROM outbox WHERE data->>'recipient' = :email"
    to_grace = {message for (message,) in await query(of_mails, email=GRACE)}
    assert len(to_grace) == 4
    headers = {"Authorization": f"Bearer {sign('operator', None, 'auth:admin', client_id='operator')}"}
    operator = httpx.AsyncClient(transport=ada._transport, base_url="http://user", headers=headers)
    erasure = UUID((await operator.post(f"/user/v1/users/{grace}/erasure")).json()["id"])
    await auth.bring(IdentityErased(user_id=grace, erasure_id=erasure, counts={}, erased_at=clock()))
    for table in ("memberships", "outbox", "audit_logs"):
        kept = str(await query(f"SELECT t::text FROM {table} t"))
        assert GRACE not in kept, table
        assert ("new@example.com" in kept) == (table != "audit_logs")
    [(told,)] = await query("SELECT data FROM outbox WHERE type = :type", type=InvitationsForgotten.type)
    assert set(told["message_ids"]) == to_grace, "whoever has heard of the mails hears that they are to be forgotten"
    assert (told["user_id"], told["expiries"]) == (str(grace), [])
    found = await query("SELECT status::text FROM memberships WHERE email IS NULL AND invited_at IS NOT NULL")
    assert sorted(found) == [("ACTIVE",), ("ENDED",), ("ENDED",)], "what was is still known, but not of whom"


async def test_whoever_has_invited_is_told_once_that_nobody_came(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, ada_id: UUID, acme: str, auth: "AuthFeed", caller: "Caller",
    database: "Database", outbox: "Outbox", clock: "MovableClock", query: "Query", pass_time: "PassTime",
) -> None:  # fmt: skip
    gone = await boss.post(ORGANIZATIONS, json={"name": "Gone", "slug": "gone"})
    grace = caller(await somebody(auth, "grace"), uuid7())
    invited = (await ada.post(f"{acme}/invitations", json={"email": GRACE})).json()["id"]
    late = (await ada.post(f"{acme}/invitations", json={"email": "late@example.com"})).json()["id"]
    url = f"{ORGANIZATIONS}/{gone.json()['id']}"
    await boss.post(f"{url}/invitations", json={"email": "x@example.com"})
    await boss.delete(url)
    await grace.post(f"{MINE}/{invited}/acceptance")
    assert await tell_expired(database, outbox, clock) == 0
    await pass_time(days=7)
    counts = await asyncio.gather(*(tell_expired(database, outbox, clock) for _ in range(4)))
    assert sum(counts) <= 2  # the service itself may have been first
    of_expiry = (
        "SELECT data->>'user_id', data->>'email', data->>'organization' FROM outbox WHERE type LIKE '%n.expired%'"
    )
    assert await query(of_expiry) == [(str(ada_id), "late@example.com", "Acme")]
    audited = await query("SELECT resource_id, actor_type FROM audit_logs WHERE action = 'membership.expired'")
    assert (late, "SYSTEM") in audited and len(audited) == 2
    again = await ada.post(f"/user/v1/invitations/{late}/mails")
    assert again.status_code == 200, again.text
    await pass_time(days=9)  # nobody has looked for two days: it is too late to tell
    assert await tell_expired(database, outbox, clock) == 0


@pytest.mark.parametrize("gone", ["left", "suspended", "deleted"])
async def test_whoever_has_left_is_not_told_of_what_he_had_invited_to(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", give: "Give",
    database: "Database", outbox: "Outbox", clock: "MovableClock", query: "Query", pass_time: "PassTime", gone: str,
) -> None:  # fmt: skip
    grace_id = await somebody(auth, "grace")
    grace = caller(grace_id, uuid7())
    made = (await ada.post(f"{acme}/invitations", json={"email": GRACE})).json()["id"]
    assert (await grace.post(f"{MINE}/{made}/acceptance")).status_code == 200
    await give(grace_id, "moderator", "ORG", UUID(acme.rsplit("/", 1)[1]))
    invited = await grace.post(f"{acme}/invitations", json={"email": "late@example.com"})
    assert invited.status_code == 201, invited.text
    if gone == "left":
        assert (await ada.delete(f"{acme}/members/{grace_id}")).status_code == 204
    elif gone == "deleted":
        assert (await boss.delete(f"/user/v1/users/{grace_id}")).status_code in {200, 204}
    else:
        await query("UPDATE users SET status = 'SUSPENDED' WHERE id = :id", id=grace_id)
    await pass_time(days=7)
    await tell_expired(database, outbox, clock)
    told = await query("SELECT type FROM outbox WHERE type LIKE '%n.expired%' OR data->>'change' = 'EXPIRED'")
    assert told == [("orion.user.membership.changed.v1",)]


async def test_an_invitation_is_good_only_while_who_sent_it_may_invite(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", give: "Give",
    mails: Any, clock: "MovableClock", query: "Query", sign: "Sign", pass_time: "PassTime",
) -> None:  # fmt: skip
    eve_id, grace_id = await somebody(auth, "eve"), await somebody(auth, "grace")
    eve, grace = caller(eve_id, uuid7()), caller(grace_id, uuid7())
    await give(eve_id, "moderator", "ORG", UUID(acme.rsplit("/", 1)[1]))
    made = (await eve.post(f"{acme}/invitations", json={"email": GRACE})).json()["id"]
    for name in ("one", "two"):
        assert (await eve.post(f"{acme}/invitations", json={"email": f"{name}@example.com"})).status_code == 201
    link = token_of((await mails())[0][1])
    ways = (("POST", f"{MINE}/{made}/acceptance", None), ("POST", ACCEPTANCES, {"token": link}))
    assert [each["id"] for each in (await grace.get(MINE)).json()["items"]] == [made]

    async def refused() -> None:
        for method, path, body in ways:
            answer = await grace.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (409, "inviter_may_no_more")
        page = f"/user/v1/invitation-links/{link}"
        seen = [await grace.request(how, page) for how in ("GET", "POST")]
        assert [(each.status_code, "may not invite" in each.text) for each in seen] == [(410, True), (409, True)]
        assert (await grace.get(MINE)).json()["items"] == []
        assert await query("SELECT count(*) FROM memberships WHERE user_id = :id", id=grace_id) == [(0,)]

    suspended, reinstated = (
        "UPDATE users SET status = 'SUSPENDED' WHERE id = :id",
        "UPDATE users SET status = 'ACTIVE' WHERE id = :id",
    )
    await query(suspended, id=eve_id)
    await refused()
    await query(reinstated, id=eve_id)
    await query("UPDATE user_roles SET condition = 'network.address == \"10.0.0.1\"' WHERE user_id = :id", id=eve_id)
    assert [each["id"] for each in (await grace.get(MINE)).json()["items"]] == [made], (
        "a condition was met when she invited"
    )
    clock.advance(seconds=1)
    ended = "UPDATE user_roles SET expires_at = :now WHERE user_id = :id AND scope = 'ORG'"
    await query(ended, id=eve_id, now=clock())
    await refused()
    # Who may, mails it again, and it is hers; an operator's is nobody's right and stays.
    await pass_time(minutes=11)
    assert (await ada.post(f"/user/v1/invitations/{made}/mails")).status_code == 200
    headers = {"Authorization": f"Bearer {sign('operator', None, 'auth:admin', client_id='operator')}"}
    operator = httpx.AsyncClient(transport=ada._transport, base_url="http://user", headers=headers)
    assert (await operator.post(f"{acme}/invitations", json={"email": "three@example.com"})).status_code == 201
    assert (await grace.post(f"{MINE}/{made}/acceptance")).status_code == 200
    # Of whoever is forgotten nothing is left that could be accepted.
    erasure = UUID((await operator.post(f"/user/v1/users/{eve_id}/erasure")).json()["id"])
    await auth.bring(IdentityErased(user_id=eve_id, erasure_id=erasure, counts={}, erased_at=clock()))
    left = await query("SELECT email, status::text, invited_by FROM memberships WHERE email IS NOT NULL ORDER BY email")
    assert [row[:2] for row in left] == [
        (GRACE, "ACTIVE"), ("one@example.com", "ENDED"), ("three@example.com", "INVITED"), ("two@example.com", "ENDED"),
    ]  # fmt: skip
    audited = await query("SELECT actor_type FROM audit_logs WHERE action = 'membership.taken_back'")
    assert audited == [("SYSTEM",)] * 2


async def test_nobody_hides_an_invitation_behind_others_that_are_without_effect(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, ada_id: UUID, auth: "AuthFeed", caller: "Caller", query: "Query"
) -> None:
    eve_id = await somebody(auth, "eve")
    eve, grace = caller(eve_id, uuid7()), caller(await somebody(auth, "grace"), uuid7())
    made: list[str] = []
    for owner_id, owner in ((ada_id, ada), (eve_id, eve), (eve_id, eve), (eve_id, eve), (ada_id, ada)):
        slug = f"house-{len(made)}"
        house = await boss.post(ORGANIZATIONS, json={"slug": slug, "name": slug, "owner_id": str(owner_id)})
        url = f"{ORGANIZATIONS}/{house.json()['id']}/invitations"
        made.append((await owner.post(url, json={"email": GRACE})).json()["id"])
    await query("UPDATE users SET status = 'SUSPENDED' WHERE id = :id", id=eve_id)
    first = (await grace.get(f"{MINE}?limit=1")).json()
    second = (await grace.get(f"{MINE}?limit=1&cursor={first['next']}")).json()
    assert [each["id"] for page in (first, second) for each in page["items"]] == [made[0], made[-1]]
    assert second["next"] is None
