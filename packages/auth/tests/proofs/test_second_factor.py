"""Showing the second factor inside a session: what asks for it, and what it opens."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jws
from pyotp.totp import TOTP

from orion_contracts.account_messages import AccountMessageRequested
from orion_contracts.claims import AccessClaims
from orion_core.http.step_up import MULTI_FACTOR

if TYPE_CHECKING:
    import httpx
    from packages.auth.tests.conftest import Auth

ME = "/auth/v1/me/two-factor"
PROOFS = "/auth/v1/sessions/current/proofs"


@dataclass
class Ada:
    """Somebody who has set up an authenticator app in one of her two sessions; the other was spared it."""

    auth: "Auth"
    app: TOTP
    here: dict[str, str]
    session: dict[str, Any]

    @property
    def there(self) -> dict[str, str]:
        """The bearer of the other session."""
        return self.auth.as_bearer(self.session["access_token"])

    async def prove(self, **body: str) -> "httpx.Response":
        """Prove in the other session who she is, and go on with the token that it gives."""
        answer = await self.auth.http.post(PROOFS, json=body, headers=self.there)
        if answer.is_success:
            self.session["access_token"] = answer.json()["access_token"]
        return answer

    def code(self) -> str:
        """What the app shows."""
        return self.app.at(self.auth.clock())


@pytest.fixture
async def ada(auth: "Auth") -> Ada:
    await auth.verified()
    here = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    app = TOTP((await auth.http.post(f"{ME}/totp", headers=here)).json()["secret"])
    body = {"method": "TOTP", "code": app.at(auth.clock())}
    assert (await auth.http.post(f"{ME}/confirmations", json=body, headers=here)).status_code == 200
    await auth.execute("UPDATE two_factor_auth SET is_enabled = false")
    session = (await auth.sign_in()).json()
    await auth.execute("UPDATE two_factor_auth SET is_enabled = true")
    auth.clock.advance(seconds=60)
    return Ada(auth, app, here, session)


def claims(answer: "httpx.Response") -> AccessClaims:
    token = answer.json()["access_token"]
    return AccessClaims.model_validate_json(jws.extract_compact(token.encode()).payload)


async def test_factors_are_changed_only_where_the_second_factor_was_shown(auth: "Auth", ada: Ada) -> None:
    asked = [
        ("POST", f"{ME}/totp"),
        ("POST", f"{ME}/email"),
        ("POST", f"{ME}/backup-codes"),
        ("DELETE", f"{ME}/methods/TOTP"),
    ]
    for method, path in asked:
        refused = await auth.http.request(method, path, headers=ada.there)
        assert (refused.status_code, refused.json()["code"]) == (401, "second_factor_needed"), path
        assert f'acr_values="{MULTI_FACTOR}"' in refused.headers["WWW-Authenticate"]
    made = await auth.http.post(f"{ME}/backup-codes", headers=ada.here)
    assert made.status_code == 201, "who has just set up the first factor has shown it"


async def test_a_code_opens_what_asked_for_it_and_the_session_keeps_that(auth: "Auth", ada: Ada) -> None:
    auth.clock.advance(minutes=6)
    proved = await ada.prove(method="TOTP", code=ada.code())
    assert proved.status_code == 201, proved.text
    assert (claims(proved).amr, claims(proved).acr) == (["pwd", "otp", "mfa"], MULTI_FACTOR)
    assert claims(proved).auth_time == int(auth.clock().timestamp())
    renewed = await auth.refresh(ada.session["refresh_token"])
    assert (claims(renewed).amr, claims(renewed).acr) == (["pwd", "otp", "mfa"], MULTI_FACTOR)
    bearer = auth.as_bearer(renewed.json()["access_token"])
    assert (await auth.http.post(f"{ME}/backup-codes", headers=bearer)).status_code == 201


async def test_the_password_alone_moves_the_time_and_does_not_stand_in_for_the_other(auth: "Auth", ada: Ada) -> None:
    proved = await ada.prove(password=auth.password)
    assert (claims(proved).amr, claims(proved).acr) == (["pwd"], None)
    bearer = auth.as_bearer(proved.json()["access_token"])
    refused = await auth.http.post(f"{ME}/backup-codes", headers=bearer)
    assert refused.json()["code"] == "second_factor_needed"
    both = await ada.prove(password=auth.password, method="TOTP", code=ada.code())
    assert both.status_code == 201


async def test_a_wrong_code_proves_nothing_is_recorded_and_limited(auth: "Auth", ada: Ada) -> None:
    answers = await asyncio.gather(*(ada.prove(method="TOTP", code="000000") for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [422] * 5 + [429]
    assert all("two_factor_verification" in each.headers["RateLimit"] for each in answers)
    [failed] = await auth.rows("SELECT count(*), min(failure_reason) FROM login_attempts WHERE status = 'FAILED'")
    assert failed == {"count": 5, "min": "WRONG_SECOND_FACTOR"}
    [events] = await auth.rows("SELECT count(*) FROM security_events WHERE event_type = 'session.proof_failed'")
    assert events == {"count": 5}
    assert claims(await auth.refresh(ada.session["refresh_token"])).amr == ["pwd"]


async def test_a_code_of_the_app_proves_once(auth: "Auth", ada: Ada) -> None:
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    code = ada.code()
    answers = await asyncio.gather(*(ada.prove(method="TOTP", code=code) for _ in range(8)))
    assert sorted(each.status_code for each in answers) == [201] + [422] * 7


async def test_a_code_is_sent_by_a_way_that_is_set_up_and_by_no_other(auth: "Auth", ada: Ada) -> None:
    for method in ("SMS", "EMAIL"):
        refused = await auth.http.post(f"{PROOFS}/codes", json={"method": method}, headers=ada.there)
        assert (refused.status_code, refused.json()["code"]) == (422, "method_not_offered")
        assert (await ada.prove(method=method, code="000000")).json()["code"] == "method_not_offered"
    await auth.execute("UPDATE two_factor_auth SET sms_phone = '+4791234567', sms_verified_at = now()")
    sent = await auth.http.post(f"{PROOFS}/codes", json={"method": "SMS"}, headers=ada.there)
    assert (sent.status_code, sent.json()["expires_in"]) == (202, 600)
    [message] = await auth.rows("SELECT data FROM outbox WHERE type = :t", t=AccountMessageRequested.type)
    assert (message["data"]["channel"], message["data"]["recipient"]) == ("SMS", "+4791234567")
    code = (await auth.sent("TWO_FACTOR_CODE"))[0].code or ""
    proved = await ada.prove(method="SMS", code=code)
    assert claims(proved).amr == ["pwd", "sms", "mfa"]
    assert (await ada.prove(method="SMS", code=code)).status_code == 422, "it is good once"


async def test_a_backup_code_proves_once_and_the_owner_is_told(auth: "Auth", ada: Ada) -> None:
    [code, *_] = (await auth.http.post(f"{ME}/backup-codes", headers=ada.here)).json()["codes"]
    assert (await ada.prove(method="BACKUP_CODE", code=code)).status_code == 201
    assert (await ada.prove(method="BACKUP_CODE", code=code)).status_code == 422
    [event] = await auth.rows("SELECT was_notified FROM security_events WHERE event_type = 'backup_codes.used'")
    assert event == {"was_notified": True}


async def test_half_a_proof_is_none(ada: Ada) -> None:
    halves: list[dict[str, str]] = [{}, {"method": "TOTP"}, {"code": "000000"}, {"method": "HARDWARE_KEY", "code": "0"}]
    assert {(await ada.prove(**body)).status_code for body in halves} == {422}
