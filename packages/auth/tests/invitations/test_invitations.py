"""Inviting: an account that waits for whoever reads the mail to choose its password."""

import asyncio
from typing import TYPE_CHECKING, Any

from orion_contracts.events import EmailVerified, IdentityRegistered

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

GRACE = "grace@example.com"
CHOSEN = "nine purple lanterns over harbour"


async def invite(auth: "Auth", email: str = GRACE, **fields: Any) -> Any:
    headers = auth.as_bearer(await auth.operator_token())
    return await auth.http.post("/auth/v1/invitations", json={"email": email} | fields, headers=headers)


async def link(auth: "Auth") -> str:
    newest = (await auth.sent("INVITATION"))[0]
    assert newest.link is not None
    return newest.link


async def test_whoever_reads_the_mail_chooses_the_password_and_comes_in(auth: "Auth") -> None:
    invited = await invite(auth, username="grace", name="Grace Hopper", locale="de")
    assert invited.status_code == 201
    assert (await auth.sign_in(GRACE, CHOSEN)).status_code == 401
    accepted = await auth.http.post(f"{await link(auth)}/acceptance", json={"password": CHOSEN})
    assert accepted.status_code == 204
    signed_in = await auth.sign_in(GRACE, CHOSEN)
    assert signed_in.status_code == 201
    assert signed_in.json()["user_id"] == invited.json()["user_id"]
    told = [row["type"] for row in await auth.rows("SELECT type FROM outbox ORDER BY sequence")]
    assert told.index(IdentityRegistered.type) < told.index(EmailVerified.type)


async def test_the_page_asks_for_a_password_and_says_what_is_wrong_with_it(auth: "Auth") -> None:
    await invite(auth, username="graxolumbrity")
    before = await auth.rows("SELECT * FROM invitations")
    assert (await auth.http.head(await link(auth))).status_code == 200
    page = await auth.http.get(await link(auth))
    assert page.status_code == 200
    assert await auth.rows("SELECT * FROM invitations") == before, "whoever follows links by itself accepts nothing"
    assert 'type="password"' in page.text
    for easy in ("password1", "graxolumbrity"):
        weak = await auth.http.post(await link(auth), data={"password": easy})
        assert weak.status_code == 422, "the username is one of his own words"
    assert 'type="password"' in weak.text, "to be tried again"
    assert (await auth.http.post(await link(auth), data={"password": "short"})).status_code == 422
    done = await auth.http.post(await link(auth), data={"password": CHOSEN})
    assert done.status_code == 200
    assert "<form" not in done.text
    assert (await auth.sign_in(GRACE, CHOSEN)).status_code == 201


async def test_of_many_who_accept_one_sets_the_password(auth: "Auth", another_auth: "Auth") -> None:
    await invite(auth)
    url = f"{await link(auth)}/acceptance"
    tries = [(auth, another_auth)[n % 2].http.post(url, json={"password": f"{CHOSEN} number {n}"}) for n in range(6)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*tries)) == [204] + [410] * 5
    assert await auth.rows("SELECT count(*) FROM outbox WHERE type = :t", t=EmailVerified.type) == [{"count": 1}]


async def test_who_is_invited_many_times_at_once_has_one_open_invitation(auth: "Auth", another_auth: "Auth") -> None:
    answers = await asyncio.gather(*(invite((auth, another_auth)[n % 2]) for n in range(8)))
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    opened = [await auth.http.get(sent.link or "") for sent in await auth.sent("INVITATION")]
    assert sorted(page.status_code for page in opened) == [200] + [410] * 7


async def test_accepting_and_inviting_at_once_do_not_keep_each_other(auth: "Auth", another_auth: "Auth") -> None:
    for n in range(4):
        email = f"grace{n}@example.com"
        await invite(auth, email)
        accepting = auth.http.post(f"{await link(auth)}/acceptance", json={"password": CHOSEN})
        accepted, *invited = await asyncio.gather(accepting, *(invite(another_auth, email) for _ in range(3)))
        assert {answer.status_code for answer in invited} <= {201, 409}
        if accepted.status_code == 410:  # another invitation had taken its place
            accepted = await auth.http.post(f"{await link(auth)}/acceptance", json={"password": CHOSEN})
        assert accepted.status_code == 204, accepted.text


async def test_inviting_again_ends_the_earlier_link(auth: "Auth") -> None:
    first = (await invite(auth)).json()
    earlier = await link(auth)
    again = (await invite(auth)).json()
    assert again["user_id"] == first["user_id"]
    assert (await auth.http.get(earlier)).status_code == 410
    assert (await auth.http.get(await link(auth))).status_code == 200


async def test_an_invitation_can_be_taken_back_and_ends_after_a_week(auth: "Auth") -> None:
    headers = auth.as_bearer(await auth.operator_token())
    path = f"/auth/v1/invitations/{(await invite(auth)).json()['id']}"
    assert (await auth.http.delete(path, headers=headers)).status_code == 204
    assert (await auth.http.delete(path, headers=headers)).status_code == 404
    assert (await auth.http.get(await link(auth))).status_code == 410
    await invite(auth)
    auth.clock.advance(days=7, seconds=1)
    assert (await auth.http.get(await link(auth))).status_code == 410


async def test_who_has_an_account_is_not_invited(auth: "Auth") -> None:
    await auth.verified(GRACE)
    before = await auth.counts()
    refused = await invite(auth)
    assert (refused.status_code, refused.json()["code"]) == (409, "identity_exists")
    assert await auth.counts() == before


async def test_who_registered_and_never_verified_may_be_invited_and_his_password_is_gone(auth: "Auth") -> None:
    await auth.register(GRACE)
    await invite(auth)
    await auth.http.post(f"{await link(auth)}/acceptance", json={"password": CHOSEN})
    assert (await auth.sign_in(GRACE)).status_code == 401
    assert (await auth.sign_in(GRACE, CHOSEN)).status_code == 201


async def test_a_username_that_was_given_with_an_invitation_is_nobody_elses(auth: "Auth") -> None:
    await invite(auth, "gracie@example.com", username="grace")
    assert (await invite(auth, username="grace")).status_code == 201, "but for another invitation"
    refused = await auth.register("eve@example.com", username="grace")
    assert (refused.status_code, refused.json()["code"]) == (409, "username_taken")
    await auth.http.post(f"{await link(auth)}/acceptance", json={"password": CHOSEN})
    [account] = await auth.rows("SELECT email FROM identities WHERE username = 'grace'")
    assert account == {"email": GRACE}


async def test_only_administrators_invite(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["access_token"]
    for bearer, status in ((token, 403), (await auth.service_token(), 403), ("nonsense", 401)):
        answer = await auth.http.post("/auth/v1/invitations", json={"email": GRACE}, headers=auth.as_bearer(bearer))
        assert answer.status_code == status


async def test_what_is_open_is_listed_by_pages_without_what_would_let_somebody_in(auth: "Auth") -> None:
    headers = auth.as_bearer(await auth.operator_token())
    sent = [(await invite(auth, f"{name}@example.com")).json() for name in ("ada", "bob", "eve", "joe", "zoe")]
    await auth.http.delete(f"/auth/v1/invitations/{sent[0]['id']}", headers=headers)
    accepted = (await auth.sent("INVITATION"))[0].link
    assert (await auth.http.post(f"{accepted}/acceptance", json={"password": CHOSEN})).status_code == 204
    first = (await auth.http.get("/auth/v1/invitations?limit=2", headers=headers)).json()
    url = f"/auth/v1/invitations?limit=2&cursor={first['next']}"
    second = (await auth.http.get(url, headers=headers)).json()
    assert first["items"] + second["items"] == [sent[3], sent[2], sent[1]]
    assert (second["next"], first["items"][0]["invited_by"]) == (None, "operator")
    auth.clock.advance(days=8)
    headers = auth.as_bearer(await auth.operator_token())
    assert (await auth.http.get("/auth/v1/invitations", headers=headers)).json()["items"] == []
