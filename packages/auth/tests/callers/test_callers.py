"""Whoever asks for a change of an account at the moment when his session is ended: nothing is added behind that."""

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
from packages.auth.tests.disavowals.test_disavowals import intruded
from packages.auth.tests.passkeys.conftest import Authenticator, User
from pyotp.totp import TOTP
from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from packages.auth.tests.conftest import Auth

LEFT = """
    SELECT
      (SELECT count(*) FROM webauthn_credentials) AS passkeys,
      (SELECT count(*) FROM two_factor_auth WHERE is_enabled) AS factors,
      (SELECT count(*) FROM devices WHERE status = 'TRUSTED') AS trusted,
      (SELECT count(*) FROM email_changes WHERE cancelled_at IS NULL) AS changes,
      (SELECT count(*) FROM auth_tokens WHERE type = 'REFRESH' AND status = 'ACTIVE') AS sessions
"""


async def until_so_many_wait(auth: "Auth", count: int) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(20):
        while (await auth.rows(query))[0]["count"] < count:  # noqa: ASYNC110 -- other sessions bring it about
            await asyncio.sleep(0.02)


async def test_what_an_intruder_asks_for_while_the_owner_says_that_it_was_not_he_comes_to_nothing(auth: "Auth") -> None:
    """All of it waits for the account, which the owner's press has first; each is refused once that is through."""
    _, theirs, link = await intruded(auth)
    headers = auth.as_bearer(theirs["access_token"])
    intruder = User(auth, headers, Authenticator())
    app = TOTP((await auth.http.post("/auth/v1/me/two-factor/totp", headers=headers)).json()["secret"])
    passkey = intruder.authenticator.make(await intruder.options())
    [device] = [
        each
        for each in (await auth.http.get("/auth/v1/me/devices", headers=headers)).json()["items"]
        if each["device_id"] == "laptop"
    ]
    factor: dict[str, Any] = {"method": "TOTP", "code": app.at(auth.clock())}
    address = {"email": "eve@evil.example"}
    asked: list[Coroutine[Any, Any, httpx.Response]] = [
        intruder.finish(passkey),
        auth.http.post("/auth/v1/me/two-factor/confirmations", json=factor, headers=headers),
        auth.http.put(f"/auth/v1/me/devices/{device['id']}/trust", headers=headers),
        auth.http.post("/auth/v1/me/email-changes", json=address, headers=headers),
    ]
    async with auth.owner.transaction() as held:
        await held.connection.execute(text("SELECT FROM identities FOR UPDATE"))
        press = asyncio.create_task(auth.http.post(f"{link}/confirmation"))
        await until_so_many_wait(auth, 1)
        behind = [asyncio.create_task(each) for each in asked]
        await until_so_many_wait(auth, 1 + len(behind))
    assert (await press).status_code == 204
    assert [(await each).status_code for each in behind] == [401] * len(behind)
    assert await auth.rows(LEFT) == [{"passkeys": 0, "factors": 0, "trusted": 0, "changes": 0, "sessions": 0}]
