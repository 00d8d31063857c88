"""Whichever way somebody comes in, and whatever he has just been given, the second factor is asked for alike."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from pyotp.totp import TOTP

from orion_auth.two_factor_methods import FactorPolicy

if TYPE_CHECKING:
    import httpx
    from packages.auth.tests.conftest import Auth

ADA = "ada@example.com"
NEW = "wheel granite lantern oboe"
REFRESH = "SELECT id FROM auth_tokens WHERE type = 'REFRESH' AND status = 'ACTIVE'"

Way = Callable[["Auth"], Awaitable["httpx.Response"]]


async def by_password(auth: "Auth") -> "httpx.Response":
    return await auth.sign_in()


async def asked(auth: "Auth") -> tuple[dict[str, Any], Any]:
    """A mail to sign in with was asked for: what whoever asked has, and what the mail says."""
    answer = await auth.http.post("/auth/v1/sign-in-mails", json={"email": ADA})
    return answer.json(), (await auth.sent("SIGN_IN"))[0]


async def by_code(auth: "Auth") -> "httpx.Response":
    mine, mail = await asked(auth)
    return await auth.http.post("/auth/v1/email-code-sessions", json={"sign_in": mine["sign_in"], "code": mail.code})


async def by_link(auth: "Auth") -> "httpx.Response":
    _, mail = await asked(auth)
    token = mail.link.partition("#token=")[2]
    return await auth.http.post("/auth/v1/magic-link-sessions", json={"token": token})


async def by_new_password(auth: "Auth") -> "httpx.Response":
    """Somebody who reads the owner's mails sets a password of his own."""
    await auth.http.post("/auth/v1/password-resets", json={"email": ADA})
    [mail] = await auth.sent("PASSWORD_RESET")
    assert (await auth.http.put(f"{mail.link}/password", json={"password": NEW})).status_code == 204
    return await auth.sign_in(password=NEW)


WAYS: list[Way] = [by_password, by_code, by_link, by_new_password]


async def with_totp(auth: "Auth") -> TOTP:
    await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    app = TOTP((await auth.http.post("/auth/v1/me/two-factor/totp", headers=headers)).json()["secret"])
    shown = {"method": "TOTP", "code": app.at(auth.clock())}
    confirmed = await auth.http.post("/auth/v1/me/two-factor/confirmations", json=shown, headers=headers)
    assert confirmed.status_code == 200
    await auth.http.delete("/auth/v1/sessions/current", headers=headers)
    auth.clock.advance(minutes=2)
    return app


async def test_whose_second_factor_is_his_mailbox_alone_does_not_come_in_by_a_mail(auth: "Auth") -> None:
    await auth.verified()
    await auth.execute(
        "INSERT INTO two_factor_auth (user_id, is_enabled, primary_method, email_verified_at) "
        "SELECT id, true, 'EMAIL', now() FROM identities"
    )
    for way in (by_code, by_link):
        refused = await way(auth)
        assert (refused.status_code, refused.json()["code"]) == (403, "other_proof_needed")
    attempts = await auth.rows("SELECT status::text, failure_reason FROM login_attempts")
    assert attempts == [{"status": "BLOCKED", "failure_reason": "OTHER_PROOF_NEEDED"}] * 2
    assert (await by_password(auth)).json()["methods"] == ["EMAIL"]


@pytest.mark.parametrize("way", WAYS)
async def test_whoever_has_a_second_factor_shows_it_whichever_way_he_comes(auth: "Auth", way: Way) -> None:
    app = await with_totp(auth)
    needed = await way(auth)
    assert (needed.status_code, needed.json()["methods"]) == (202, ["TOTP"])
    assert "access_token" not in needed.json()
    assert await auth.rows(REFRESH) == []
    body = {"challenge": needed.json()["challenge"], "method": "TOTP", "code": app.at(auth.clock())}
    assert (await auth.http.post("/auth/v1/challenges/answers", json=body)).status_code == 201


@pytest.mark.parametrize("way", WAYS)
async def test_where_everybody_must_have_one_it_is_set_up_whichever_way_he_comes(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    """AUTH_TWO_FACTOR_REQUIRED=all."""
    await auth.verified()
    gate = auth.application.state.components.gate
    policy = FactorPolicy(gate.factor_policy.allowed, is_required=True)
    monkeypatch.setitem(gate.__dict__, "factor_policy", policy)
    needed = await way(auth)
    assert (needed.status_code, needed.json()["must_enrol"]) == (202, True)
    assert await auth.rows(REFRESH) == []


async def test_a_code_is_good_for_the_sign_in_it_was_sent_for_and_for_no_other(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    await auth.verified()
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    await auth.http.post("/auth/v1/me/two-factor/email", headers=headers)
    shown = {"method": "EMAIL", "code": (await auth.sent("TWO_FACTOR_CODE"))[0].code}
    await auth.http.post("/auth/v1/me/two-factor/confirmations", json=shown, headers=headers)
    earlier, later = [(await auth.sign_in()).json()["challenge"] for _ in range(2)]
    codes: dict[str, str | None] = {}
    for challenge in (earlier, later):
        await auth.http.post("/auth/v1/challenges/codes", json={"challenge": challenge, "method": "EMAIL"})
        codes[challenge] = (await auth.sent("TWO_FACTOR_CODE"))[0].code
    if codes[earlier] == codes[later]:
        return  # one time in a million
    for challenge, other in ((earlier, later), (later, earlier)):
        body = {"challenge": challenge, "method": "EMAIL", "code": codes[other]}
        assert (await auth.http.post("/auth/v1/challenges/answers", json=body)).status_code == 422
        assert (await auth.http.post("/auth/v1/challenges/answers", json=body | {"code": codes[challenge]})).is_success


async def test_of_a_mails_link_and_code_used_at_once_one_lets_in(auth: "Auth", another_auth: "Auth") -> None:
    await auth.verified()
    mine, mail = await asked(auth)
    by_code = {"sign_in": mine["sign_in"], "code": mail.code}
    by_link = {"token": mail.link.partition("#token=")[2]}
    both = [("email-code-sessions", by_code), ("magic-link-sessions", by_link)] * 3
    tries = [
        (auth, another_auth)[n % 2].http.post(f"/auth/v1/{path}", json=body) for n, (path, body) in enumerate(both)
    ]
    assert sorted(answer.status_code for answer in await asyncio.gather(*tries)) == [201] + [401] * 5
    assert len(await auth.rows(REFRESH)) == 1
