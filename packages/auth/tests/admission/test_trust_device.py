"""Trusting a device while the second factor is shown, and a short session behind a second factor."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pyotp.totp import TOTP

from orion_auth.admission import actions as admission
from orion_auth.risk.rules import Assessment, Reason

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ME = "/auth/v1/me/two-factor"


async def enrol(auth: "Auth") -> tuple[dict[str, str], TOTP]:
    await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    app = TOTP((await auth.http.post(f"{ME}/totp", headers=headers)).json()["secret"])
    body = {"method": "TOTP", "code": app.at(auth.clock())}
    assert (await auth.http.post(f"{ME}/confirmations", json=body, headers=headers)).status_code == 200
    auth.clock.advance(seconds=60)
    return headers, app


async def come(auth: "Auth", **more: Any) -> httpx.Response:
    auth.http.cookies.clear()
    body = {"email": "ada@example.com", "password": auth.password, "device_id": "laptop"} | more
    return await auth.http.post("/auth/v1/sessions", json=body)


async def answer(auth: "Auth", needed: httpx.Response, code: str, method: str = "TOTP") -> httpx.Response:
    body = {"challenge": needed.json()["challenge"], "method": method, "code": code, "trust_device": True}
    return await auth.http.post("/auth/v1/challenges/answers", json=body)


async def test_a_device_that_is_trusted_while_the_factor_is_shown_is_spared_it_from_then_on(auth: "Auth") -> None:
    _, app = await enrol(auth)
    session = await answer(auth, await come(auth), app.at(auth.clock()))
    assert session.status_code == 201, session.text
    secret = session.json()["device_secret"]
    assert session.headers["Set-Cookie"].startswith(f"orion_device={secret}; ")
    assert (await come(auth, device_secret=secret)).status_code == 201
    assert (await come(auth)).status_code == 202, "the id alone proves nothing"
    assert (await come(auth, device_id="phone", device_secret=secret)).status_code == 202
    [event] = await auth.rows("SELECT device_id FROM security_events WHERE event_type = 'device.trusted'")
    assert event == {"device_id": "laptop"}
    auth.clock.advance(days=31)
    assert (await come(auth, device_secret=secret)).status_code == 202, "trust has run out"


async def test_what_does_not_earn_trust_begins_the_session_without_it(auth: "Auth") -> None:
    headers, app = await enrol(auth)
    [code, *_] = (await auth.http.post(f"{ME}/backup-codes", headers=headers)).json()["codes"]
    by_backup_code = await answer(auth, await come(auth), code, "BACKUP_CODE")
    nameless = await answer(auth, await come(auth, device_id=None), app.at(auth.clock()))
    for session in (by_backup_code, nameless):
        assert session.status_code == 201, session.text
        assert (session.json()["device_secret"], session.json()["trusted_until"]) == (None, None)
        assert "Set-Cookie" not in session.headers
    assert await auth.rows("SELECT * FROM devices WHERE status = 'TRUSTED'") == []


async def test_a_code_that_was_asked_for_because_of_risk_earns_none(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    def assess(*_: object, **__: object) -> Assessment:
        return Assessment(60, [Reason("impossible_travel", 60, "Oslo and Lima within an hour.")], "STEP_UP")

    monkeypatch.setattr(admission.risk, "assess_sign_in", assess)
    await auth.verified()
    needed = await come(auth)
    await auth.http.post("/auth/v1/challenges/codes", json={"challenge": needed.json()["challenge"], "method": "EMAIL"})
    session = await answer(auth, needed, (await auth.sent("TWO_FACTOR_CODE"))[0].code or "", "EMAIL")
    assert (session.status_code, session.json()["device_secret"]) == (201, None)


async def test_a_device_that_its_owner_blocks_meanwhile_gets_neither_trust_nor_a_session(auth: "Auth") -> None:
    _, app = await enrol(auth)
    assert (await answer(auth, await come(auth), app.at(auth.clock()))).status_code == 201
    auth.clock.advance(seconds=60)
    needed = await come(auth)
    await auth.execute("UPDATE devices SET status = 'BLOCKED', secret_hash = NULL, trust_expires_at = NULL")
    refused = await answer(auth, needed, app.at(auth.clock()))
    assert (refused.status_code, refused.json()["code"]) == (410, "challenge_over")
    assert await auth.rows("SELECT status::text FROM devices") == [{"status": "BLOCKED"}]


async def test_a_trusted_device_is_trusted_anew_only_by_a_session_that_has_shown_the_factor(auth: "Auth") -> None:
    _, app = await enrol(auth)
    secret = (await answer(auth, await come(auth), app.at(auth.clock()))).json()["device_secret"]
    spared = auth.as_bearer((await come(auth, device_secret=secret)).json()["access_token"])
    [device] = (await auth.http.get("/auth/v1/me/devices", headers=spared)).json()["items"]
    refused = await auth.http.put(f"/auth/v1/me/devices/{device['id']}/trust", headers=spared)
    assert (refused.status_code, refused.json()["code"]) == (401, "second_factor_needed")
    auth.clock.advance(seconds=60)
    body = {"method": "TOTP", "code": app.at(auth.clock())}
    proved = await auth.http.post("/auth/v1/sessions/current/proofs", json=body, headers=spared)
    bearer = auth.as_bearer(proved.json()["access_token"])
    assert (await auth.http.put(f"/auth/v1/me/devices/{device['id']}/trust", headers=bearer)).status_code == 200


async def test_a_short_session_stays_one_behind_a_second_factor(auth: "Auth") -> None:
    _, app = await enrol(auth)
    session = await answer(auth, await come(auth, remember=False), app.at(auth.clock()))
    assert session.json()["refresh_expires_in"] == 3600
