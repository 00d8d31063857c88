"""An account's first second factor: whoever came in before without one does not stay (OWASP ASVS 5.0, 7.4.3)."""

import asyncio
import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

import httpx
from pyotp.totp import TOTP

from orion_contracts.account_messages import SecurityNoticeRaised
from orion_contracts.events import SessionEnded

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ME = "/auth/v1/me/two-factor"


def claims(answer: httpx.Response) -> dict[str, Any]:
    return json.loads(urlsafe_b64decode(answer.json()["access_token"].split(".")[1] + "=="))


async def set_up(auth: "Auth", headers: dict[str, str]) -> tuple[TOTP, httpx.Response]:
    app = TOTP((await auth.http.post(f"{ME}/totp", headers=headers)).json()["secret"])
    body = {"method": "TOTP", "code": app.at(auth.clock())}
    return app, await auth.http.post(f"{ME}/confirmations", json=body, headers=headers)


async def status(auth: "Auth", session: dict[str, Any]) -> int:
    headers = auth.as_bearer(session["access_token"])
    return (await auth.http.get("/auth/v1/sessions/current", headers=headers)).status_code


async def test_it_ends_the_sessions_that_have_shown_none_and_is_shown_in_its_own(auth: "Auth") -> None:
    """So that a thief who has the password, and came in before there was more to show, has nothing left."""
    await auth.verified()
    body = {"email": "ada@example.com", "password": auth.password, "device_id": "den"}
    thief = (await auth.http.post("/auth/v1/sessions", json=body)).json()
    [den] = (await auth.http.get("/auth/v1/me/devices", headers=auth.as_bearer(thief["access_token"]))).json()["items"]
    trusted = await auth.http.put(
        f"/auth/v1/me/devices/{den['id']}/trust", headers=auth.as_bearer(thief["access_token"])
    )
    body["device_secret"] = trusted.json()["device_secret"]
    strong, owner = (await auth.sign_in()).json(), (await auth.sign_in()).json()
    await auth.execute(
        "UPDATE auth_tokens SET amr = '{hwk,user,mfa}' WHERE session_id = CAST(:id AS uuid)", id=strong["session_id"]
    )
    auth.clock.advance(minutes=2)
    headers = auth.as_bearer(owner["access_token"])
    assert (await auth.http.post(f"{ME}/totp", headers=headers)).status_code in {200, 201}
    app, confirmed = await set_up(auth, headers)
    assert confirmed.status_code == 200, confirmed.text
    begun = await auth.rows("SELECT id FROM two_factor_challenges WHERE purpose = 'ENROLMENT'")
    assert len(begun) == 1, "a set-up takes the place of the one that was begun before"
    assert [await status(auth, each) for each in (thief, strong, owner)] == [401, 200, 200]
    assert (await auth.refresh(thief["refresh_token"])).json()["error"] == "invalid_grant"
    carried_on = claims(await auth.refresh(owner["refresh_token"]))
    assert (carried_on["amr"], carried_on["auth_time"]) == (["pwd", "otp", "mfa"], int(auth.clock().timestamp()))

    [ended] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SessionEnded.type)
    told = SessionEnded.read(ended["data"])
    assert (str(told.session_id), told.reason) == (thief["session_id"], "SECOND_FACTOR_SET_UP"), "all services hear it"
    notices = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SecurityNoticeRaised.type)
    assert {"two_factor.enabled", "sessions.ended"} <= {
        SecurityNoticeRaised.read(row["data"]).notice for row in notices
    }
    [event] = await auth.rows("SELECT details, session_id FROM security_events WHERE event_type = 'sessions.ended'")
    assert (event["details"], str(event["session_id"])) == ({"sessions_ended": 1}, owner["session_id"])
    spared = await auth.http.post("/auth/v1/sessions", json=body)
    assert (spared.status_code, spared.json()["methods"]) == (202, ["TOTP"]), "nor is his device spared it"

    auth.clock.advance(seconds=60)
    challenge = (await auth.sign_in()).json()["challenge"]
    answer = {"challenge": challenge, "method": "TOTP", "code": app.at(auth.clock())}
    elsewhere = (await auth.http.post("/auth/v1/challenges/answers", json=answer)).json()
    await auth.execute(
        "UPDATE auth_tokens SET amr = '{pwd}' WHERE session_id = CAST(:id AS uuid)", id=strong["session_id"]
    )
    auth.clock.advance(seconds=60)
    _, second = await set_up(auth, auth.as_bearer(elsewhere["access_token"]))
    assert second.status_code == 200
    assert await status(auth, strong) == 200, "a second one ends nothing"


async def test_who_has_to_set_one_up_on_the_way_in_ends_them_too(auth: "Auth") -> None:
    await auth.verified()
    thief = (await auth.sign_in()).json()
    await auth.execute("INSERT INTO two_factor_auth (user_id, is_required) SELECT id, true FROM identities")
    challenge = (await auth.sign_in()).json()["challenge"]
    offered = await auth.http.post("/auth/v1/challenges/enrolments", json={"challenge": challenge})
    answer = {"challenge": challenge, "method": "TOTP", "code": TOTP(offered.json()["secret"]).at(auth.clock())}
    session = await auth.http.post("/auth/v1/challenges/answers", json=answer)
    assert [await status(auth, each) for each in (thief, session.json())] == [401, 200]
    assert claims(await auth.refresh(session.json()["refresh_token"]))["amr"] == ["pwd", "otp", "mfa"]


async def test_whoever_refreshes_while_it_is_set_up_is_out_whoever_comes_second(auth: "Auth") -> None:
    await auth.verified()
    thieves = [(await auth.sign_in()).json() for _ in range(4)]
    owner = (await auth.sign_in()).json()
    headers = auth.as_bearer(owner["access_token"])
    app = TOTP((await auth.http.post(f"{ME}/totp", headers=headers)).json()["secret"])
    body = {"method": "TOTP", "code": app.at(auth.clock())}
    *refreshed, confirmed, carried_on = await asyncio.gather(
        *(auth.refresh(each["refresh_token"]) for each in thieves),
        auth.http.post(f"{ME}/confirmations", json=body, headers=headers),
        auth.refresh(owner["refresh_token"]),
    )
    assert (confirmed.status_code, carried_on.status_code) == (200, 200)
    got = [answer.json() for answer in refreshed if answer.is_success]
    assert {await status(auth, each) for each in got} <= {401}
    living = await auth.rows("SELECT session_id FROM auth_tokens WHERE type = 'REFRESH' AND status = 'ACTIVE'")
    assert [str(row["session_id"]) for row in living] == [owner["session_id"]]
