"""Setting up second factors, using them, and doing without them again."""

import asyncio
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from pyotp.totp import TOTP

from orion_contracts.account_messages import AccountMessageRequested, MessageSecrets, SecurityNoticeRaised
from orion_core.sealing import Keyring

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

EVENT_KEYS = "e1:ZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWU="
ME = "/auth/v1/me/two-factor"
PHONE = "+4791234567"


async def bearer(auth: "Auth") -> dict[str, str]:
    return auth.as_bearer((await auth.sign_in()).json()["access_token"])


async def last_message(auth: "Auth") -> tuple[AccountMessageRequested, str]:
    query = "SELECT data FROM outbox WHERE type = :type ORDER BY sequence DESC LIMIT 1"
    [row] = await auth.rows(query, type=AccountMessageRequested.type)
    event = AccountMessageRequested.read(row["data"])
    opened = Keyring.parse(EVENT_KEYS).open_text(event.secrets, event.associated_data())
    code = MessageSecrets.model_validate_json(opened).code
    assert code is not None
    return event, code


async def notices(auth: "Auth") -> list[str]:
    rows = await auth.rows("SELECT data FROM outbox WHERE type = :t ORDER BY sequence", t=SecurityNoticeRaised.type)
    told = [SecurityNoticeRaised.read(row["data"]).notice for row in rows]
    return [notice for notice in told if notice.startswith(("two_factor.", "backup_codes.", "factors."))]


async def subjects(auth: "Auth") -> list[dict[str, str]]:
    """What the notices of second factors say that they concern."""
    query = "SELECT data FROM outbox WHERE type = :t AND data->>'notice' LIKE 'two_factor.%' ORDER BY sequence"
    return [
        SecurityNoticeRaised.read(row["data"]).details for row in await auth.rows(query, t=SecurityNoticeRaised.type)
    ]


async def confirm(auth: "Auth", headers: dict[str, str], method: str, code: str) -> httpx.Response:
    return await auth.http.post(f"{ME}/confirmations", json={"method": method, "code": code}, headers=headers)


async def with_totp(auth: "Auth") -> tuple[dict[str, str], TOTP]:
    """The bearer of somebody with an authenticator app, and the app."""
    await auth.verified()
    headers = await bearer(auth)
    offered = await auth.http.post(f"{ME}/totp", headers=headers)
    assert offered.status_code == 201, offered.text
    app = TOTP(offered.json()["secret"])
    confirmed = await confirm(auth, headers, "TOTP", app.at(auth.clock()))
    assert confirmed.status_code == 200, confirmed.text
    auth.clock.advance(seconds=60)
    return headers, app


def code_at(auth: "Auth", app: TOTP, steps: int) -> str:
    """The code of so many time steps from now."""
    return app.generate_otp(int(auth.clock().timestamp()) // 30 + steps)


async def challenge(auth: "Auth") -> dict[str, Any]:
    needed = await auth.sign_in()
    assert needed.status_code == 202, needed.text
    return needed.json()


async def answer(auth: "Auth", challenge: str, method: str, code: str) -> httpx.Response:
    body = {"challenge": challenge, "method": method, "code": code}
    return await auth.http.post("/auth/v1/challenges/answers", json=body)


async def unlimited(auth: "Auth") -> None:
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')


async def test_an_authenticator_app_is_offered_confirmed_and_asked_for(auth: "Auth") -> None:
    headers, app = await with_totp(auth)
    state = (await auth.http.get(ME, headers=headers)).json()
    assert state["is_enabled"]
    assert state["primary_method"] == "TOTP"
    assert [each["method"] for each in state["methods"]] == ["TOTP"]
    needed = await challenge(auth)
    assert needed["methods"] == ["TOTP"]
    session = await answer(auth, needed["challenge"], "TOTP", app.at(auth.clock()))
    assert session.status_code == 201, session.text
    assert await notices(auth) == ["two_factor.enabled"]
    assert await subjects(auth) == [{"SUBJECT": "TOTP"}]
    [row] = await auth.rows("SELECT totp_secret, last_used_method::text FROM two_factor_auth")
    assert app.secret.encode() not in row["totp_secret"]
    assert row["last_used_method"] == "TOTP"
    assert app.secret not in str(await auth.rows("SELECT context, code_hash FROM two_factor_challenges"))


async def test_the_offer_is_a_key_uri_and_a_picture_of_it(auth: "Auth") -> None:
    await auth.verified()
    offer = (await auth.http.post(f"{ME}/totp", headers=await bearer(auth))).json()
    assert offer["uri"] == f"otpauth://totp/Orion:ada%40example.com?secret={offer['secret']}&issuer=Orion"
    assert offer["qr_svg"].startswith("<svg")
    assert len(offer["secret"]) == 32, "160 bits in base32"


async def test_codes_of_oathtool_are_good(auth: "Auth") -> None:
    if shutil.which("oathtool") is None:
        pytest.skip("oathtool is not installed (Debian: apt-get install oathtool)")
    _, app = await with_totp(auth)
    moment = auth.clock().strftime("%Y-%m-%d %H:%M:%S UTC")
    made = await asyncio.to_thread(
        subprocess.run,
        ["oathtool", "--totp", "--base32", "--now", moment, app.secret],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (await answer(auth, (await challenge(auth))["challenge"], "TOTP", made.stdout.strip())).status_code == 201


async def test_a_step_is_accepted_once_however_many_show_it_at_once(auth: "Auth") -> None:
    _, app = await with_totp(auth)
    await unlimited(auth)
    challenges = [(await challenge(auth))["challenge"] for _ in range(8)]
    code = app.at(auth.clock())
    answers = await asyncio.gather(*(answer(auth, each, "TOTP", code) for each in challenges))
    assert sorted(each.status_code for each in answers) == [201] + [422] * 7
    auth.clock.advance(seconds=30)
    assert (await answer(auth, (await challenge(auth))["challenge"], "TOTP", code)).status_code == 422, "nor later"
    earlier = code_at(auth, app, -2)
    assert (await answer(auth, (await challenge(auth))["challenge"], "TOTP", earlier)).status_code == 422


async def test_a_clock_may_be_half_a_minute_apart(auth: "Auth") -> None:
    _, app = await with_totp(auth)
    await unlimited(auth)
    statuses: list[int] = []
    for steps in (-2, -1, 1, 2):
        auth.clock.advance(minutes=5)
        code = code_at(auth, app, steps)
        statuses.append((await answer(auth, (await challenge(auth))["challenge"], "TOTP", code)).status_code)
    assert statuses == [422, 201, 201, 422]


async def test_where_clocks_may_not_differ_a_code_is_good_for_its_own_half_minute_alone(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    """AUTH_TOTP_DRIFT=0 (OWASP ASVS 5.0, 6.5.5)."""
    _, app = await with_totp(auth)
    await unlimited(auth)
    gate = auth.application.state.components.gate
    monkeypatch.setitem(gate.__dict__, "factor_policy", replace(gate.factor_policy, totp_drift=0))
    statuses: list[int] = []
    for steps in (-1, 0, 1):
        auth.clock.advance(minutes=5)
        code = code_at(auth, app, steps)
        statuses.append((await answer(auth, (await challenge(auth))["challenge"], "TOTP", code)).status_code)
    assert statuses == [422, 201, 422]


async def test_the_old_app_is_good_until_the_new_one_has_shown_a_code(auth: "Auth") -> None:
    _, app = await with_totp(auth)
    session = await answer(auth, (await challenge(auth))["challenge"], "TOTP", app.at(auth.clock()))
    headers = auth.as_bearer(session.json()["access_token"])
    another = TOTP((await auth.http.post(f"{ME}/totp", headers=headers)).json()["secret"])
    auth.clock.advance(seconds=30)
    assert (await answer(auth, (await challenge(auth))["challenge"], "TOTP", app.at(auth.clock()))).status_code == 201
    assert (await confirm(auth, headers, "TOTP", another.at(auth.clock()))).status_code == 200
    auth.clock.advance(seconds=60)
    assert (await answer(auth, (await challenge(auth))["challenge"], "TOTP", app.at(auth.clock()))).status_code == 422
    code = another.at(auth.clock())
    assert (await answer(auth, (await challenge(auth))["challenge"], "TOTP", code)).status_code == 201


async def test_dangerous_changes_need_a_recent_proof(auth: "Auth") -> None:
    await auth.verified()
    headers = await bearer(auth)
    auth.clock.advance(minutes=6)
    asked = [
        ("POST", "/totp", None),
        ("POST", "/email", None),
        ("POST", "/sms", {"phone": PHONE}),
        ("POST", "/confirmations", {"method": "TOTP", "code": "000000"}),
        ("POST", "/backup-codes", None),
        ("DELETE", "/methods/TOTP", None),
    ]
    for method, path, body in asked:
        refused = await auth.http.request(method, f"{ME}{path}", json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "reauthentication_required"), path
    assert (await auth.http.get(ME, headers=headers)).status_code == 200


async def test_a_set_up_has_five_tries(auth: "Auth") -> None:
    await auth.verified()
    await unlimited(auth)
    headers = await bearer(auth)
    app = TOTP((await auth.http.post(f"{ME}/totp", headers=headers)).json()["secret"])
    tries = [await confirm(auth, headers, "TOTP", "not it") for _ in range(5)]
    assert {each.status_code for each in tries} == {422}
    assert all("two_factor_verification" in each.headers["RateLimit"] for each in tries)
    assert (await confirm(auth, headers, "TOTP", app.at(auth.clock()))).status_code == 422
    assert await auth.rows("SELECT * FROM two_factor_auth") == []


async def test_a_phone_is_set_up_by_a_code_and_gets_codes(auth: "Auth") -> None:
    await auth.verified()
    headers = await bearer(auth)
    sent = await auth.http.post(f"{ME}/sms", json={"phone": "+47 912 34 567"}, headers=headers)
    assert sent.status_code == 202, sent.text
    assert sent.headers["RateLimit"].startswith('"two_factor_code";r=4;')
    assert "weaker" in sent.json()["warning"], "what it is worth is said before it is relied on"
    event, code = await last_message(auth)
    assert (event.channel, event.recipient, event.purpose) == ("SMS", PHONE, "TWO_FACTOR_CODE")
    assert (await confirm(auth, headers, "EMAIL", code)).status_code == 422, "by the way it was sent"
    state = (await confirm(auth, headers, "SMS", code)).json()
    assert state["phone"] == PHONE
    needed = await challenge(auth)
    await auth.http.post("/auth/v1/challenges/codes", json={"challenge": needed["challenge"], "method": "SMS"})
    event, code = await last_message(auth)
    assert (event.channel, event.recipient) == ("SMS", PHONE)
    assert (await answer(auth, needed["challenge"], "SMS", code)).status_code == 201


@pytest.mark.parametrize("phone", ["91234567", "+47", "+1 900 555 0199", "+999 123 456", "callme"])
async def test_what_no_message_reaches_is_refused(auth: "Auth", phone: str) -> None:
    await auth.verified()
    refused = await auth.http.post(f"{ME}/sms", json={"phone": phone}, headers=await bearer(auth))
    assert refused.status_code == 422
    assert await auth.rows("SELECT * FROM outbox WHERE type = :type", type=AccountMessageRequested.type) == []


async def test_messages_to_neighbouring_numbers_end_soon(auth: "Auth") -> None:
    await auth.verified()
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 1000 WHERE endpoint = 'two_factor_code'")
    headers = await bearer(auth)
    sent = [
        await auth.http.post(f"{ME}/sms", json={"phone": f"+47912345{number:02d}"}, headers=headers)
        for number in range(22)
    ]
    assert [each.status_code for each in sent] == [202] * 20 + [429] * 2
    assert "sms_to_range" in sent[-1].headers["RateLimit"]


async def test_messages_to_one_number_end_sooner(auth: "Auth") -> None:
    await auth.verified()
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 1000 WHERE endpoint = 'two_factor_code'")
    headers = await bearer(auth)
    sent = [await auth.http.post(f"{ME}/sms", json={"phone": PHONE}, headers=headers) for _ in range(6)]
    assert [each.status_code for each in sent] == [202] * 5 + [429]


async def test_backup_codes_are_shown_once_and_good_once(auth: "Auth") -> None:
    headers, _ = await with_totp(auth)
    await unlimited(auth)
    made = await auth.http.post(f"{ME}/backup-codes", headers=headers)
    codes = made.json()["codes"]
    assert (made.status_code, len(set(codes))) == (201, 10)
    stored = str(await auth.rows("SELECT * FROM two_factor_backup_codes"))
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)
    challenges = [await challenge(auth) for _ in range(8)]
    assert challenges[0]["methods"] == ["TOTP", "BACKUP_CODE"]
    answers = await asyncio.gather(
        *(answer(auth, each["challenge"], "BACKUP_CODE", codes[0].upper()) for each in challenges)
    )
    assert sorted(each.status_code for each in answers) == [201] + [422] * 7
    assert (await auth.http.get(ME, headers=headers)).json()["backup_codes_left"] == 9
    used = await auth.rows("SELECT host(ip_address) AS ip FROM two_factor_backup_codes WHERE used_at IS NOT NULL")
    assert used == [{"ip": "192.0.2.1"}], "where it was used"
    assert "backup_codes.used" in await notices(auth)
    again = (await auth.http.post(f"{ME}/backup-codes", headers=headers)).json()["codes"]
    assert (await answer(auth, (await challenge(auth))["challenge"], "BACKUP_CODE", codes[1])).status_code == 422
    assert (await answer(auth, (await challenge(auth))["challenge"], "BACKUP_CODE", again[1])).status_code == 201


async def test_backup_codes_of_another_user_are_worthless(auth: "Auth") -> None:
    headers, _ = await with_totp(auth)
    [code, *_] = (await auth.http.post(f"{ME}/backup-codes", headers=headers)).json()["codes"]
    await auth.verified("bob@example.com")
    bob = auth.as_bearer((await auth.sign_in("bob@example.com")).json()["access_token"])
    app = TOTP((await auth.http.post(f"{ME}/totp", headers=bob)).json()["secret"])
    await confirm(auth, bob, "TOTP", app.at(auth.clock()))
    await auth.http.post(f"{ME}/backup-codes", headers=bob)
    needed = (await auth.sign_in("bob@example.com")).json()
    assert (await answer(auth, needed["challenge"], "BACKUP_CODE", code)).status_code == 422


async def test_the_primary_method_is_asked_for_first_and_the_last_one_removed_switches_it_off(auth: "Auth") -> None:
    headers, _ = await with_totp(auth)
    await auth.http.post(f"{ME}/email", headers=headers)
    _, code = await last_message(auth)
    assert (await confirm(auth, headers, "EMAIL", code)).status_code == 200
    await auth.http.post(f"{ME}/backup-codes", headers=headers)
    assert (await challenge(auth))["methods"] == ["TOTP", "EMAIL", "BACKUP_CODE"]
    assert (await auth.http.put(f"{ME}/primary", json={"method": "EMAIL"}, headers=headers)).status_code == 204
    chosen = ({"primary_method": "TOTP"}, {"primary_method": "EMAIL"})
    assert await auth.changes("two_factor.update") == [chosen]
    assert (await challenge(auth))["methods"] == ["EMAIL", "TOTP", "BACKUP_CODE"]
    assert (await auth.http.put(f"{ME}/primary", json={"method": "SMS"}, headers=headers)).status_code == 409
    assert (await auth.http.delete(f"{ME}/methods/EMAIL", headers=headers)).status_code == 204
    assert (await auth.http.delete(f"{ME}/methods/EMAIL", headers=headers)).status_code == 404
    assert (await challenge(auth))["methods"] == ["TOTP", "BACKUP_CODE"]
    assert (await auth.http.delete(f"{ME}/methods/TOTP", headers=headers)).status_code == 204
    assert (await auth.http.post(f"{ME}/backup-codes", headers=headers)).status_code == 409
    assert (await auth.rows("SELECT * FROM two_factor_backup_codes")) == []
    assert (await auth.sign_in()).status_code == 201
    assert await notices(auth) == [
        "two_factor.enabled",
        "two_factor.enabled",
        "backup_codes.regenerated",
        "two_factor.disabled",
        "two_factor.disabled",
    ]
    assert [each["SUBJECT"] for each in await subjects(auth)] == ["TOTP", "EMAIL", "EMAIL", "TOTP"]


async def test_who_must_have_one_sets_it_up_before_the_session_begins(auth: "Auth") -> None:
    user_id = await auth.verified()
    operator = auth.as_bearer(await auth.operator_token())
    url = f"/auth/v1/users/{user_id}/two-factor"
    assert (await auth.http.put(f"{url}/requirement", json={"is_required": True}, headers=operator)).status_code == 204
    needed = await challenge(auth)
    assert (needed["methods"], needed["must_enrol"]) == (["TOTP", "HARDWARE_KEY"], True)
    assert (await answer(auth, needed["challenge"], "TOTP", "000000")).status_code == 422
    offered = await auth.http.post("/auth/v1/challenges/enrolments", json={"challenge": needed["challenge"]})
    assert offered.status_code == 201, offered.text
    app = TOTP(offered.json()["secret"])
    session = await answer(auth, needed["challenge"], "TOTP", app.at(auth.clock()))
    assert session.status_code == 201, session.text
    headers = auth.as_bearer(session.json()["access_token"])
    refused = await auth.http.delete(f"{ME}/methods/TOTP", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "second_factor_required")
    auth.clock.advance(seconds=60)
    later = await challenge(auth)
    assert (later["methods"], later["must_enrol"]) == (["TOTP"], False)
    refused = await auth.http.post("/auth/v1/challenges/enrolments", json={"challenge": later["challenge"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "enrolment_not_open")
    assert "two_factor.enabled" in await notices(auth)
    assert await subjects(auth) == [{"SUBJECT": "TOTP"}]


async def test_an_administrator_resets_who_has_lost_everything(auth: "Auth") -> None:
    await with_totp(auth)
    [user] = await auth.rows("SELECT user_id FROM two_factor_auth")
    operator = auth.as_bearer(await auth.operator_token())
    url = f"/auth/v1/users/{user['user_id']}/two-factor"
    assert (await auth.http.delete(url, headers=await bearer_of(auth, "eve@example.com"))).status_code == 403
    await auth.execute(
        "INSERT INTO devices (user_id, device_id, status, verified_at, secret_hash) "
        "SELECT id, 'lost', 'TRUSTED', now(), sha256('x') FROM identities WHERE email = 'ada@example.com'"
    )
    assert (await auth.http.delete(url, headers=operator)).status_code == 204
    [lost] = await auth.rows("SELECT status::text, secret_hash FROM devices WHERE device_id = 'lost'")
    assert lost == {"status": "UNTRUSTED", "secret_hash": None}, "what was lost is spared no second factor later"
    assert (await auth.sign_in()).status_code == 201
    assert "factors.reset" in await notices(auth)
    [event] = await auth.rows("SELECT details FROM security_events WHERE event_type = 'factors.reset'")
    assert event["details"] == {"by": "operator", "sessions_ended": 1}
    nobody = UUID(int=0)
    assert (await auth.http.delete(f"/auth/v1/users/{nobody}/two-factor", headers=operator)).status_code == 404


async def bearer_of(auth: "Auth", email: str) -> dict[str, str]:
    await auth.verified(email)
    return auth.as_bearer((await auth.sign_in(email)).json()["access_token"])


async def test_services_have_no_second_factors(auth: "Auth") -> None:
    assert (await auth.http.get(ME, headers=auth.as_bearer(await auth.service_token()))).status_code == 403
    assert (await auth.http.get(ME)).status_code == 401


async def test_whoever_has_the_password_keeps_nobody_from_adding_a_factor(auth: "Auth") -> None:
    """He uses up what strangers may try; the owner goes on in his own session."""
    headers, _ = await with_totp(auth)
    begun = (await challenge(auth))["challenge"]
    assert [(await answer(auth, begun, "TOTP", "000000")).status_code for _ in range(5)] == [422] * 5
    assert (await answer(auth, (await challenge(auth))["challenge"], "TOTP", "000000")).status_code == 429
    assert (await auth.http.post(f"{ME}/email", headers=headers)).status_code == 202
    _, code = await last_message(auth)
    assert (await confirm(auth, headers, "EMAIL", code)).status_code == 200
