"""Where nothing may rest on mail: no mail lets anybody in, and none is a second factor (OWASP ASVS 5.0, 6.3.6)."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orion_auth.two_factor_methods import FactorPolicy, TwoFactorMethod

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ADA = "ada@example.com"


async def test_where_mails_let_nobody_in_none_is_sent_and_none_is_taken(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    await auth.verified()
    asked = (await auth.http.post("/auth/v1/sign-in-mails", json={"email": ADA})).json()
    [mail] = await auth.sent("SIGN_IN")
    parts = auth.application.state.components
    settings = parts.settings.model_copy(update={"sign_in_mails": False})
    monkeypatch.setattr(auth.application.state, "components", replace(parts, settings=settings))
    token = (mail.link or "").partition("#token=")[2]
    for path, body in (
        ("sign-in-mails", {"email": ADA}),
        ("sign-in-mails", {"email": "nobody@example.com"}),
        ("email-code-sessions", {"sign_in": asked["sign_in"], "code": mail.code}),
        ("magic-link-sessions", {"token": token}),
    ):
        refused = await auth.http.post(f"/auth/v1/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_mails_off"), path
    assert len(await auth.sent("SIGN_IN")) == 1
    assert await auth.rows("SELECT * FROM login_attempts") == []


async def test_without_it_among_the_second_factors_no_code_is_mailed(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    await auth.verified()
    gate = auth.application.state.components.gate
    policy = FactorPolicy(frozenset(TwoFactorMethod) - {TwoFactorMethod.EMAIL})
    monkeypatch.setitem(gate.__dict__, "factor_policy", policy)
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    refused = await auth.http.post("/auth/v1/me/two-factor/email", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "method_not_allowed")
    assert await auth.sent("TWO_FACTOR_CODE") == []


async def test_where_mails_recover_nothing_no_address_is_taken_for_it_and_none_is_written_to(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    """AUTH_RECOVERY_BY_EMAIL=false; an address that was named before counts no longer, and a phone still does."""
    user_id = await auth.verified()
    gate = auth.application.state.components.gate
    monkeypatch.setitem(gate.__dict__, "factor_policy", replace(gate.factor_policy, recovers_by_email=False))
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    contacts = "/auth/v1/me/recovery-contacts"
    refused = await auth.http.post(f"{contacts}/email", json={"email": "grace@example.com"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "recovery_by_email_off")
    assert await auth.sent("RECOVERY_CONTACT") == []
    phone = await auth.http.post(f"{contacts}/phone", json={"phone": "+4791234567"}, headers=headers)
    assert phone.status_code == 202
    await auth.execute("DELETE FROM two_factor_auth WHERE user_id = :id", id=user_id)
    await auth.execute(
        "INSERT INTO two_factor_auth (user_id, is_enabled, primary_method, sms_phone, sms_verified_at,"
        " recovery_email, recovery_email_verified_at)"
        " VALUES (:id, true, 'SMS', '+4791234567', now(), 'grace@example.com', now())",
        id=user_id,
    )
    challenge = (await auth.sign_in()).json()["challenge"]
    asked = await auth.http.post("/auth/v1/recoveries", json={"challenge": challenge})
    assert (asked.status_code, asked.json()["code"]) == (409, "recovery_not_set_up")
