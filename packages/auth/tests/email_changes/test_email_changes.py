"""Another address: only with the word of whoever reads the old one and the new one."""

import asyncio
from typing import TYPE_CHECKING, Any

from orion_auth.email_changes import store
from orion_auth.identities import actions as identities
from orion_contracts.account_messages import AccountMessageRequested, SecurityNoticeRaised
from orion_contracts.events import EmailChanged

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

OLD, NEW = "ada@example.com", "ada.lovelace@example.com"


async def signed_in(auth: "Auth") -> dict[str, str]:
    await auth.verified(OLD)
    return auth.as_bearer((await auth.sign_in(OLD)).json()["access_token"])


async def ask(auth: "Auth", headers: dict[str, str], email: str = NEW) -> Any:
    return await auth.http.post("/auth/v1/me/email-changes", json={"email": email}, headers=headers)


async def links(auth: "Auth") -> dict[str, str]:
    """The newest link by the address it was sent to."""
    query = "SELECT data->>'recipient' AS recipient FROM outbox WHERE type = :type ORDER BY sequence DESC"
    recipients = [row["recipient"] for row in await auth.rows(query, type=AccountMessageRequested.type)]
    newest: dict[str, str] = {}
    for recipient, secrets in zip(recipients, await auth.sent("EMAIL_CHANGE"), strict=True):
        assert secrets.link is not None
        newest.setdefault(recipient, secrets.link)
    return newest


async def email_of(auth: "Auth") -> list[str]:
    return [row["email"] for row in await auth.rows("SELECT email FROM identities ORDER BY created_at")]


async def somebody_waits(auth: "Auth") -> None:
    waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(5):
        while not await auth.rows(waiting):  # noqa: ASYNC110 -- another session brings it about
            await asyncio.sleep(0.01)


async def test_the_address_changes_when_both_ends_agree(auth: "Auth") -> None:
    headers = await signed_in(auth)
    assert (await ask(auth, headers)).status_code == 202
    sent = await links(auth)
    first = await auth.http.post(f"{sent[NEW]}/confirmation")
    assert first.json()["is_completed"] is False
    assert await email_of(auth) == [OLD]
    second = await auth.http.post(f"{sent[OLD]}/confirmation")
    assert second.json()["is_completed"] is True
    assert await email_of(auth) == [NEW]
    [event] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=EmailChanged.type)
    assert (event["data"]["previous"], event["data"]["email"]) == (OLD, NEW)
    notices = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SecurityNoticeRaised.type)
    told = [(notice["data"]["notice"], notice["data"]["email"]) for notice in notices]
    assert sorted(told) == sorted([("email.changed", OLD), ("email.changed", NEW)])
    assert await auth.changes("email.changed") == [({"email": OLD}, {"email": NEW})]
    assert (await auth.sign_in(NEW)).status_code == 201
    assert (await auth.sign_in(OLD)).status_code == 401


async def test_one_end_alone_changes_nothing_however_often_it_presses(auth: "Auth") -> None:
    await ask(auth, await signed_in(auth))
    link = (await links(auth))[OLD]
    for _ in range(3):
        assert (await auth.http.post(f"{link}/confirmation")).json()["is_completed"] is False
    assert await email_of(auth) == [OLD]


async def test_opening_a_link_shows_both_buttons_and_changes_nothing(auth: "Auth") -> None:
    await ask(auth, await signed_in(auth))
    before = await auth.rows("SELECT * FROM email_changes")
    for link in (await links(auth)).values():
        assert (await auth.http.head(link)).status_code == 200
        page = await auth.http.get(link)
        assert page.status_code == 200
        assert page.text.count("<form") == 2
        assert NEW in page.text
    assert await auth.rows("SELECT * FROM email_changes") == before


async def test_either_end_can_refuse(auth: "Auth") -> None:
    headers = await signed_in(auth)
    for end in (OLD, NEW):
        await ask(auth, headers)
        sent = await links(auth)
        assert (await auth.http.post(f"{sent[end]}/refusal")).status_code == 204
        for link in sent.values():
            assert (await auth.http.post(f"{link}/confirmation")).status_code == 410
    assert await email_of(auth) == [OLD]
    events = await auth.rows("SELECT event_type FROM security_events WHERE category = 'ACCOUNT' ORDER BY id")
    assert [event["event_type"] for event in events] == ["email.change_requested", "email.change_refused"] * 2


async def test_an_address_that_somebody_has_gets_no_mail_and_the_answer_does_not_tell(auth: "Auth") -> None:
    headers = await signed_in(auth)
    await auth.verified("grace@example.com")
    free, taken = await ask(auth, headers), await ask(auth, headers, "grace@example.com")
    assert (free.status_code, free.json()) == (taken.status_code, taken.json())
    assert "grace@example.com" not in await links(auth)
    assert (await auth.http.post(f"{(await links(auth))[OLD]}/confirmation")).json()["is_completed"] is False


async def test_an_address_that_somebody_takes_meanwhile_stays_his(auth: "Auth") -> None:
    await ask(auth, await signed_in(auth))
    sent = await links(auth)
    await auth.verified(NEW)
    await auth.http.post(f"{sent[NEW]}/confirmation")
    assert (await auth.http.post(f"{sent[OLD]}/confirmation")).status_code == 409
    assert await email_of(auth) == [OLD, NEW]


async def test_an_address_that_somebody_registered_and_never_verified_is_his_who_reads_it(auth: "Auth") -> None:
    headers = await signed_in(auth)
    await auth.register(NEW, username="squatter")
    [squatter] = await auth.rows("SELECT id FROM identities WHERE email = :email", email=NEW)
    waiting = await auth.mailed(NEW)
    assert (await ask(auth, headers)).status_code == 202
    sent = await links(auth)
    assert (await auth.http.post(f"{sent[NEW]}/confirmation")).json()["is_completed"] is False
    assert len(await email_of(auth)) == 2, "nobody makes room before both ends have agreed"
    assert (await auth.http.post(f"{sent[OLD]}/confirmation")).json()["is_completed"] is True
    assert await email_of(auth) == [NEW]
    assert (await auth.http.post(f"{waiting.link}/confirmation")).status_code == 410
    body = {"email": NEW, "code": waiting.code}
    assert (await auth.http.post("/auth/v1/email-verifications", json=body)).status_code == 422
    of_his = "SELECT id FROM {} WHERE user_id = :id"
    left = f"{of_his.format('two_factor_challenges')} UNION {of_his.format('auth_tokens')}"
    assert await auth.rows(left, id=squatter["id"]) == []


async def test_of_whoever_verifies_an_address_and_whoever_changes_to_it_at_once_one_has_it(
    auth: "Auth", another_auth: "Auth"
) -> None:
    headers = await signed_in(auth)
    await auth.register(NEW)
    waiting = await auth.mailed(NEW)
    await ask(auth, headers)
    sent = await links(auth)
    await auth.http.post(f"{sent[NEW]}/confirmation")
    changed, verified = await asyncio.gather(
        auth.http.post(f"{sent[OLD]}/confirmation"), another_auth.http.post(f"{waiting.link}/confirmation")
    )
    assert (changed.status_code, verified.status_code) in {(200, 410), (409, 204)}
    assert await email_of(auth) == ([NEW] if changed.status_code == 200 else [OLD, NEW])


async def test_of_both_ends_at_once_one_completes_it(auth: "Auth", another_auth: "Auth") -> None:
    await ask(auth, await signed_in(auth))
    sent = await links(auth)
    presses = [
        (auth, another_auth)[n % 2].http.post(f"{link}/confirmation")
        for n, link in enumerate([sent[NEW], sent[OLD]] * 3)
    ]
    answers = await asyncio.gather(*presses)
    assert [answer.json().get("is_completed") for answer in answers].count(True) == 1
    assert await auth.rows("SELECT count(*) FROM outbox WHERE type = :type", type=EmailChanged.type) == [{"count": 1}]


async def test_agreeing_and_wishing_anew_at_once_do_not_keep_each_other(auth: "Auth", another_auth: "Auth") -> None:
    """Both hold the account first, and the change after it: otherwise each would wait for the other."""
    headers = await signed_in(auth)
    await ask(auth, headers)
    sent = await links(auth)
    await auth.http.post(f"{sent[NEW]}/confirmation")
    async with auth.application.state.components.database.transaction() as transaction:
        [row] = await auth.rows("SELECT id FROM identities")
        await identities.hold(transaction, row["id"], auth.clock())
        confirming = asyncio.create_task(another_auth.http.post(f"{sent[OLD]}/confirmation"))
        await somebody_waits(auth)
        assert await store.cancel(transaction.connection, row["id"], auth.clock())
    assert (await confirming).status_code == 410
    assert await email_of(auth) == [OLD]


async def test_a_new_wish_ends_the_one_before(auth: "Auth") -> None:
    headers = await signed_in(auth)
    await ask(auth, headers, "first@example.com")
    before = await links(auth)
    await ask(auth, headers)
    assert (await auth.http.post(f"{before['first@example.com']}/confirmation")).status_code == 410
    assert (await auth.http.delete("/auth/v1/me/email-changes/current", headers=headers)).status_code == 204
    assert (await auth.http.delete("/auth/v1/me/email-changes/current", headers=headers)).status_code == 404


async def test_links_die_after_a_day(auth: "Auth") -> None:
    await ask(auth, await signed_in(auth))
    auth.clock.advance(days=1, seconds=1)
    for link in (await links(auth)).values():
        assert (await auth.http.get(link)).status_code == 410
        assert (await auth.http.post(f"{link}/confirmation")).status_code == 410


async def test_it_needs_a_recent_proof_and_another_address(auth: "Auth") -> None:
    headers = await signed_in(auth)
    assert (await ask(auth, headers, OLD)).status_code == 422
    assert (await ask(auth, headers, "no address")).status_code == 422
    auth.clock.advance(minutes=6)
    stale = await ask(auth, headers)
    assert (stale.status_code, stale.json()["code"]) == (401, "reauthentication_required")


async def test_a_mail_to_the_old_address_lets_nobody_in_once_it_is_not_hers(auth: "Auth") -> None:
    """Somebody else may read it: that may be why it was changed."""
    headers = await signed_in(auth)
    await ask(auth, headers)
    sent = await links(auth)
    asked = (await auth.http.post("/auth/v1/sign-in-mails", json={"email": OLD})).json()
    [mail] = await auth.sent("SIGN_IN")
    await auth.http.post("/auth/v1/password-resets", json={"email": OLD})
    [reset] = await auth.sent("PASSWORD_RESET")
    for end in (NEW, OLD):
        await auth.http.post(f"{sent[end]}/confirmation")
    assert await email_of(auth) == [NEW]
    by_code = {"sign_in": asked["sign_in"], "code": mail.code}
    by_link = {"token": (mail.link or "").partition("#token=")[2]}
    assert (await auth.http.post("/auth/v1/magic-link-sessions", json=by_link)).status_code == 401
    assert (await auth.http.post("/auth/v1/email-code-sessions", json=by_code)).status_code == 401
    chosen = await auth.http.put(f"{reset.link}/password", json={"password": "nine purple lanterns over harbour"})
    assert chosen.status_code == 410
