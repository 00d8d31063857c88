"""What was begun before the second factors changed, and what it is worth afterwards."""

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from packages.auth.tests.two_factor.test_set_up import last_message
from pyotp.totp import TOTP

from orion_auth.admission import actions as admission
from orion_auth.risk.rules import Assessment, Reason

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ME = "/auth/v1/me/two-factor"
STOLEN, NEW = "+4791234567", "+4799887766"
UNLIKE = Assessment(60, [Reason("impossible_travel", 60, "Oslo and Lima within an hour.")], "STEP_UP")


def unlike(*_: object, **__: object) -> Assessment:
    return UNLIKE


async def code_sent(auth: "Auth") -> str:
    return (await last_message(auth))[1]


async def set_up_phone(auth: "Auth", headers: dict[str, str], phone: str) -> None:
    assert (await auth.http.post(f"{ME}/sms", json={"phone": phone}, headers=headers)).status_code == 202
    body = {"method": "SMS", "code": await code_sent(auth)}
    assert (await auth.http.post(f"{ME}/confirmations", json=body, headers=headers)).status_code == 200


async def answer(auth: "Auth", challenge: str, method: str, code: str) -> httpx.Response:
    body = {"challenge": challenge, "method": method, "code": code}
    return await auth.http.post("/auth/v1/challenges/answers", json=body)


async def by_sms(auth: "Auth") -> tuple[str, str]:
    """A half-finished sign-in, and the code that was sent for it."""
    challenge = (await auth.sign_in()).json()["challenge"]
    body = {"challenge": challenge, "method": "SMS"}
    assert (await auth.http.post("/auth/v1/challenges/codes", json=body)).status_code == 202
    return challenge, await code_sent(auth)


async def status(auth: "Auth", session: dict[str, Any]) -> int:
    headers = auth.as_bearer(session["access_token"])
    return (await auth.http.get("/auth/v1/sessions/current", headers=headers)).status_code


def amr(session: dict[str, Any]) -> list[str]:
    return json.loads(urlsafe_b64decode(session["access_token"].split(".")[1] + "=="))["amr"]


async def test_codes_that_a_stolen_phone_was_sent_are_worthless_once_another_is_set_up(auth: "Auth") -> None:
    await auth.verified()
    owner = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    await set_up_phone(auth, owner, STOLEN)
    assert (
        await auth.http.post("/auth/v1/sessions/current/proofs/codes", json={"method": "SMS"}, headers=owner)
    ).is_success
    proof = await code_sent(auth)
    challenge, code = await by_sms(auth)
    await set_up_phone(auth, owner, NEW)
    assert (await answer(auth, challenge, "SMS", code)).status_code == 422
    body = {"method": "SMS", "code": proof}
    assert (await auth.http.post("/auth/v1/sessions/current/proofs", json=body, headers=owner)).status_code == 422
    again = {"challenge": challenge, "method": "SMS"}
    assert (await auth.http.post("/auth/v1/challenges/codes", json=again)).status_code == 202
    assert (await answer(auth, challenge, "SMS", await code_sent(auth))).status_code == 201, "the new one has it now"


async def test_a_code_that_went_to_the_address_before_proves_nothing_once_it_has_changed(auth: "Auth") -> None:
    await auth.verified()
    owner = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    assert (await auth.http.post(f"{ME}/email", headers=owner)).status_code == 202
    body = {"method": "EMAIL", "code": await code_sent(auth)}
    assert (await auth.http.post(f"{ME}/confirmations", json=body, headers=owner)).status_code == 200
    asked = await auth.http.post("/auth/v1/sessions/current/proofs/codes", json={"method": "EMAIL"}, headers=owner)
    assert asked.status_code == 202
    body["code"] = await code_sent(auth)
    change = {"email": "ada@new.example"}
    assert (await auth.http.post("/auth/v1/me/email-changes", json=change, headers=owner)).status_code == 202
    for sent in await auth.sent("EMAIL_CHANGE"):
        assert (await auth.http.post(f"{sent.link}/confirmation")).status_code == 200
    refused = await auth.http.post("/auth/v1/sessions/current/proofs", json=body, headers=owner)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_code")


async def test_a_reset_by_an_administrator_leaves_nothing_to_whoever_has_what_was_lost(auth: "Auth") -> None:
    """Whoever found the phone and has the password came in with both, or is half-way in."""
    user_id = await auth.verified()
    owner = (await auth.sign_in()).json()
    await set_up_phone(auth, auth.as_bearer(owner["access_token"]), STOLEN)
    thief = (await answer(auth, *(await by_sms(auth))[:1], "SMS", await code_sent(auth))).json()
    challenge, code = await by_sms(auth)
    operator = auth.as_bearer(await auth.operator_token())
    assert (await auth.http.delete(f"/auth/v1/users/{user_id}/two-factor", headers=operator)).status_code == 204
    assert [await status(auth, each) for each in (owner, thief)] == [401, 401]
    assert (await answer(auth, challenge, "SMS", code)).status_code == 410
    [event] = await auth.rows("SELECT details FROM security_events WHERE event_type = 'factors.reset'")
    assert event["details"] == {"by": "operator", "sessions_ended": 2}


async def test_a_code_that_was_mailed_because_of_risk_is_no_second_factor(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    """So whoever has the password and the mailbox does not stay when the owner sets up his first one."""
    await auth.verified()
    with monkeypatch.context() as risky:
        risky.setattr(admission.risk, "assess_sign_in", unlike)
        challenge = (await auth.sign_in()).json()["challenge"]
    sent = await auth.http.post("/auth/v1/challenges/codes", json={"challenge": challenge, "method": "EMAIL"})
    assert sent.status_code == 202
    thief = (await answer(auth, challenge, "EMAIL", await code_sent(auth))).json()
    assert amr(thief) == ["pwd", "otp"]
    owner = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    app = TOTP((await auth.http.post(f"{ME}/totp", headers=owner)).json()["secret"])
    body = {"method": "TOTP", "code": app.at(auth.clock())}
    assert (await auth.http.post(f"{ME}/confirmations", json=body, headers=owner)).status_code == 200
    assert await status(auth, thief) == 401
