"""A new password by a link in a mail: once, for whoever reads the mail, and nothing else is opened by it."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from orion_contracts.account_messages import SecurityNoticeRaised
from orion_contracts.events import EmailVerified

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ADA = "ada@example.com"
NEW = "wheel granite lantern oboe"


async def ask(auth: "Auth", email: str = ADA) -> Any:
    return await auth.http.post("/auth/v1/password-resets", json={"email": email})


async def link(auth: "Auth") -> str:
    assert (await ask(auth)).status_code == 202
    found = (await auth.sent("PASSWORD_RESET"))[0].link
    assert found
    return found


async def set_by(auth: "Auth", address: str, password: str = NEW) -> Any:
    return await auth.http.put(f"{address}/password", json={"password": password})


async def events(auth: "Auth") -> list[str]:
    rows = await auth.rows("SELECT event_type FROM security_events WHERE category = 'PASSWORD' ORDER BY created_at")
    return [row["event_type"] for row in rows]


async def test_the_link_sets_the_password_once_and_signs_nobody_in(auth: "Auth") -> None:
    await auth.verified()
    address = await link(auth)
    answer = await set_by(auth, address)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await auth.sign_in()).status_code == 401
    assert (await auth.sign_in(password=NEW)).status_code == 201
    assert (await set_by(auth, address, "another one entirely")).status_code == 410
    assert await events(auth) == ["password.reset_requested", "password.reset"]
    [notice] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SecurityNoticeRaised.type)
    assert (notice["data"]["notice"], notice["data"]["email"]) == ("password.reset", ADA)


async def test_all_sessions_end_and_their_tokens_are_refused(auth: "Auth") -> None:
    await auth.verified()
    grants = [(await auth.sign_in()).json() for _ in range(2)]
    assert (await set_by(auth, await link(auth))).status_code == 204
    for grant in grants:
        headers = auth.as_bearer(grant["access_token"])
        assert (await auth.http.delete("/auth/v1/sessions/current", headers=headers)).status_code == 401
        assert (await auth.refresh(grant["refresh_token"])).status_code == 400


async def test_a_known_and_an_unknown_address_get_the_same_answer(auth: "Auth") -> None:
    await auth.verified()
    known, unknown, none = await ask(auth), await ask(auth, "nobody@example.com"), await ask(auth, "no address")
    assert known.status_code == unknown.status_code == none.status_code == 202
    assert known.json() == unknown.json() == none.json()
    assert known.headers["RateLimit"] == unknown.headers["RateLimit"]
    assert len(await auth.sent("PASSWORD_RESET")) == 1


async def test_whoever_receives_the_mails_is_not_flooded(auth: "Auth") -> None:
    await auth.verified()
    answers = [(await ask(auth, email)).status_code for email in (ADA, "ADA@example.com", ADA, ADA)]
    assert answers == [202, 202, 202, 429]
    auth.clock.advance(minutes=6)
    assert (await ask(auth)).status_code == 202


async def test_of_many_presses_one_does_it(auth: "Auth", another_auth: "Auth") -> None:
    await auth.verified()
    address = await link(auth)
    passwords = [f"{NEW} {number}" for number in range(6)]
    answers = await asyncio.gather(*(set_by((auth, another_auth)[n % 2], address, passwords[n]) for n in range(6)))
    assert sorted(answer.status_code for answer in answers) == [204] + [410] * 5
    winner = next(password for answer, password in zip(answers, passwords, strict=True) if answer.status_code == 204)
    assert (await auth.sign_in(password=winner)).status_code == 201
    assert await events(auth) == ["password.reset_requested", "password.reset"]


async def test_older_links_die_with_the_one_that_is_used(auth: "Auth") -> None:
    await auth.verified()
    first, second = await link(auth), await link(auth)
    assert (await set_by(auth, second)).status_code == 204
    assert (await set_by(auth, first, "another one entirely")).status_code == 410


async def test_a_link_ends_in_less_than_an_hour(auth: "Auth") -> None:
    await auth.verified()
    address = await link(auth)
    auth.clock.advance(minutes=31)
    assert (await auth.http.get(address)).status_code == 410
    assert (await set_by(auth, address)).status_code == 410
    assert (await auth.sign_in()).status_code == 201


async def test_a_link_is_dead_once_the_address_is_somebody_elses(auth: "Auth") -> None:
    await auth.verified()
    address = await link(auth)
    await auth.execute("UPDATE identities SET email = 'other@example.com'")
    assert (await set_by(auth, address)).status_code == 410


async def test_a_weak_password_leaves_the_link_as_good_as_it_was(auth: "Auth") -> None:
    await auth.verified(username="lovelace")
    address = await link(auth)
    for password, code in (
        ("short", "password_too_short"),
        ("lovelace1", "password_weak"),
        (auth.password, "password_unchanged"),
    ):
        answer = await set_by(auth, address, password)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == code
    assert (await set_by(auth, address)).status_code == 204


async def test_guesses_at_the_secret_of_a_link_close_it(auth: "Auth") -> None:
    await auth.verified()
    address = await link(auth)
    forged = address[:-1] + ("A" if address[-1] != "A" else "B")
    for _ in range(5):
        assert (await set_by(auth, forged)).status_code == 410
    assert (await set_by(auth, address)).status_code == 410


@pytest.mark.parametrize("status", ["SUSPENDED", "LOCKED"])
async def test_what_is_locked_stays_locked(auth: "Auth", status: str) -> None:
    await auth.verified()
    await auth.execute(f"UPDATE identities SET status = '{status}'")
    assert (await set_by(auth, await link(auth))).status_code == 204
    answer = await auth.sign_in(password=NEW)
    assert (answer.status_code, answer.json()["code"]) == (403, f"account_{status.lower()}")


async def test_an_address_that_was_never_verified_is_by_the_mail(auth: "Auth") -> None:
    """Whoever registered it first, to wait for its owner, waits in vain: his password and his links are gone."""
    await auth.register(password="password of somebody else")
    theirs = (await auth.mailed()).link
    assert (await set_by(auth, await link(auth))).status_code == 204
    assert (await auth.sign_in(password=NEW)).status_code == 201
    assert (await auth.sign_in(password="password of somebody else")).status_code == 401
    assert (await auth.http.post(f"{theirs}/confirmation")).status_code == 410
    assert len(await auth.rows("SELECT id FROM outbox WHERE type = :type", type=EmailVerified.type)) == 1


async def test_the_page_has_a_form_changes_nothing_and_tells_nobody_where_it_was(auth: "Auth") -> None:
    await auth.verified()
    address = await link(auth)
    page, *others = [await auth.http.get(address) for _ in range(3)]
    assert {shown.status_code for shown in (page, *others)} == {200}
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert (await auth.http.head(address)).status_code == 200
    path = address.removeprefix("http://auth.test")
    assert f'action="{path}"' in page.text
    weak = await auth.http.post(path, data={"password": "password"})
    assert weak.status_code == 400
    assert "tried first" in weak.text
    assert f'action="{path}"' in weak.text
    done = await auth.http.post(path, data={"password": "wheel granite + lantern & öboe"})
    assert done.status_code == 200
    assert "is set" in done.text
    assert (await auth.sign_in(password="wheel granite + lantern & öboe")).status_code == 201
    assert (await auth.http.get(address)).status_code == 410
    assert (await auth.http.post(path, data={"password": NEW})).status_code == 410


@pytest.mark.parametrize(
    "body", [b"", b"password=", b"\xff\xfe", b"password=nul%00nul%00nul", b"&".join([b"a=b"] * 999)]
)
async def test_bad_forms(auth: "Auth", body: bytes) -> None:
    await auth.verified()
    address = await link(auth)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await auth.http.post(address, content=body, headers=headers)).status_code == 400
    assert (await auth.sign_in()).status_code == 201


@pytest.mark.parametrize("token", ["x", "x" * 43 + "." + "y" * 43, "%00", "..%2f", "аaaaaaaaaaaaaaaaaaaaa." + "y" * 43])
async def test_malformed_and_foreign_tokens(auth: "Auth", token: str) -> None:
    for answer in (
        await auth.http.get(f"/auth/v1/password-resets/{token}"),
        await set_by(auth, f"/auth/v1/password-resets/{token}"),
    ):
        assert answer.status_code in (400, 404, 410)


async def test_the_token_is_in_no_log_and_no_column(
    auth: "Auth", caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    await auth.verified()
    with caplog.at_level(logging.DEBUG):
        address = await link(auth)
        await auth.http.get(address)
        await set_by(auth, address)
    secret = address.rpartition(".")[2]
    said = capsys.readouterr()
    assert "password-resets" in said.out + said.err + caplog.text
    assert secret not in said.out + said.err
    assert secret not in "".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    for table in ("password_resets", "outbox", "security_events"):
        assert all(secret not in str(row) for row in await auth.rows(f"SELECT * FROM {table}"))
