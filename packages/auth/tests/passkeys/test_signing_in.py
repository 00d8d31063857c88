"""Signing in with a passkey alone: who it lets in, and what it does not believe."""

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from secrets import token_bytes
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from orion_auth.admission import actions as admission
from orion_auth.risk.rules import Assessment, Reason, Verdict
from orion_contracts.account_messages import SecurityNoticeRaised

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth
    from packages.auth.tests.passkeys.conftest import User

SESSIONS = "/auth/v1/passkey-sessions"
UP, UV, BE, BS = 0x01, 0x04, 0x08, 0x10


async def options(auth: "Auth") -> dict[str, Any]:
    asked = await auth.http.post(f"{SESSIONS}/options")
    assert asked.status_code == 201, asked.text
    return asked.json()


async def show(auth: "Auth", credential: dict[str, Any], **fields: Any) -> httpx.Response:
    return await auth.http.post(SESSIONS, json={"credential": credential} | fields)


def claims_of(session: httpx.Response) -> dict[str, Any]:
    payload = session.json()["access_token"].split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=="))


async def notices(auth: "Auth") -> list[str]:
    rows = await auth.rows("SELECT data FROM outbox WHERE type = :t ORDER BY sequence", t=SecurityNoticeRaised.type)
    return [SecurityNoticeRaised.read(row["data"]).notice for row in rows]


async def test_what_is_asked_for_names_nobody(auth: "Auth", ada: "User") -> None:
    await ada.add()
    asked = await auth.http.post(f"{SESSIONS}/options")
    assert asked.json() | {"challenge": ""} == {
        "challenge": "",
        "timeout": 300_000,
        "rpId": "example.com",
        "allowCredentials": [],
        "userVerification": "required",
    }
    assert "passkey" in asked.headers["RateLimit"]


async def test_a_passkey_signs_its_user_in_without_a_second_factor(auth: "Auth", ada: "User") -> None:
    await ada.add()
    session = await show(auth, ada.authenticator.use(await options(auth)), device_id="laptop")
    assert session.status_code == 201, session.text
    assert claims_of(session)["amr"] == ["hwk", "user", "mfa"]
    attempt = (await auth.rows("SELECT * FROM login_attempts ORDER BY id DESC LIMIT 1"))[0]
    assert (attempt["method"], attempt["status"], attempt["device_id"]) == ("PASSKEY", "SUCCESS", "laptop")
    assert attempt["email"] is None
    [kept] = await auth.rows("SELECT sign_count, last_used_at FROM webauthn_credentials")
    assert kept == {"sign_count": 2, "last_used_at": auth.clock()}
    me = await auth.http.get("/auth/v1/me/two-factor", headers=auth.as_bearer(session.json()["access_token"]))
    assert me.status_code == 200


async def test_a_synced_passkey_is_a_key_in_software(auth: "Auth", ada: "User") -> None:
    ada.authenticator.flags, ada.authenticator.counts = UP | UV | BE, False
    await ada.add()
    first = await show(auth, ada.authenticator.use(await options(auth)))
    assert claims_of(first)["amr"] == ["swk", "user", "mfa"]
    again = await show(auth, ada.authenticator.use(await options(auth), flags=UP | UV | BE | BS))
    assert again.status_code == 201, "a counter that does not count grows never"
    assert (await ada.list())[0]["is_backed_up"]


REFUSED: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.example"},
    "a page below the domain that is not ours": {"origin": "https://other.example.com"},
    "another RP ID": {"rp_id": "app.example.com"},
    "another ceremony": {"type": "webauthn.create"},
    "inside of a foreign page": {"crossOrigin": True},
    "a challenge of nobody's": {"challenge": "AAAA"},
    "no user present": {"flags": UV},
    "no user verified": {"flags": UP},
    "another kind of credential than before": {"flags": UP | UV | BE},
    "backed up, and cannot be": {"flags": UP | UV | BS},
    "an unknown credential": {"credential_id": token_bytes(32)},
    "nobody's handle": {"handle": token_bytes(32)},
    "no handle": {"handle": None},
}


async def test_whatever_is_wrong_the_answer_is_the_same(auth: "Auth", ada: "User") -> None:
    await ada.add()
    for what, change in REFUSED.items():
        asked = await options(auth)
        refused = await show(auth, ada.authenticator.use(asked, **change))
        assert refused.status_code == 401, (what, refused.text)
        assert refused.json() | {"instance": None} == {
            "type": "urn:orion:problem:invalid_credentials",
            "title": "Not signed in",
            "status": 401,
            "code": "invalid_credentials",
            "detail": "This passkey does not let you in: it is not known here, was removed, or took too long. "
            "Try again, or sign in another way.",
            "instance": None,
        }, what
        if "challenge" not in change:
            again = await show(auth, ada.authenticator.use(asked))
            assert again.status_code == 401, f"a challenge is answered once, be it wrongly ({what})"
    attempts = await auth.rows(
        "SELECT DISTINCT status::text, failure_reason, user_id FROM login_attempts WHERE method = 'PASSKEY'"
    )
    assert attempts == [{"status": "FAILED", "failure_reason": "WRONG_PASSKEY", "user_id": None}]
    [kept] = await auth.rows("SELECT sign_count, cloned_at FROM webauthn_credentials")
    assert kept == {"sign_count": 1, "cloned_at": None}


async def test_a_wrong_signature_with_a_low_counter_does_not_lock_the_owner_out(
    auth: "Auth", ada: "User", bob: "User"
) -> None:
    await ada.add()
    await bob.add()
    mine, his = ada.authenticator.credentials[0], bob.authenticator.credentials[0]
    forged = ada.authenticator.use(await options(auth), mine, signs=his, count=0)
    assert (await show(auth, forged)).status_code == 401
    assert (await show(auth, ada.authenticator.use(await options(auth)))).status_code == 201


async def test_a_challenge_is_answered_once_within_five_minutes(auth: "Auth", ada: "User") -> None:
    await ada.add()
    answer = ada.authenticator.use(await options(auth))
    assert (await show(auth, answer)).status_code == 201
    assert (await show(auth, answer)).status_code == 401
    to_add = await ada.options()
    assert (await show(auth, ada.authenticator.use(to_add))).status_code == 401, "it was for adding one"
    late = await options(auth)
    auth.clock.advance(minutes=5)
    assert (await show(auth, ada.authenticator.use(late))).status_code == 401
    assert not (await ada.list())[0]["is_refused"], "a replay is no copy"


async def test_of_thirty_answers_to_one_challenge_one_signs_in(auth: "Auth", ada: "User") -> None:
    await ada.add()
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    asked = await options(auth)
    answers = [ada.authenticator.use(asked) for _ in range(30)]
    sessions = await asyncio.gather(*(show(auth, each) for each in answers))
    assert sorted(each.status_code for each in sessions) == [201] + [401] * 29


async def test_a_copy_is_found_out_told_and_refused_from_then_on(auth: "Auth", ada: "User") -> None:
    for count in (2, 1, 0):
        await ada.add()
        assert (await show(auth, ada.authenticator.use(await options(auth)))).status_code == 201, "the counter is at 2"
        copy = await show(auth, ada.authenticator.use(await options(auth), count=count))
        assert (copy.status_code, copy.json()["code"]) == (401, "invalid_credentials")
        assert (await ada.list())[-1]["is_refused"]
        later = await show(auth, ada.authenticator.use(await options(auth), count=1000))
        assert later.status_code == 401, "which of the two is the owner's, nobody can tell"
    assert (await notices(auth)).count("passkey.cloned") == 3, "each is told once"
    events = await auth.rows(
        "SELECT DISTINCT severity::text, was_notified FROM security_events WHERE event_type = 'passkey.cloned'"
    )
    assert events == [{"severity": "CRITICAL", "was_notified": True}]
    assert (await auth.sign_in()).status_code == 202, "a thief must not get rid of the second factor by showing a copy"


async def test_of_two_that_show_the_same_counter_at_once_one_signs_in(auth: "Auth", ada: "User") -> None:
    await ada.add()
    asked = [await options(auth) for _ in range(10)]
    answers = [ada.authenticator.use(each, count=5) for each in asked]
    sessions = await asyncio.gather(*(show(auth, each) for each in answers))
    assert sorted(each.status_code for each in sessions) == [201] + [401] * 9
    assert (await notices(auth)).count("passkey.cloned") == 1


async def test_one_that_was_removed_and_accounts_that_are_not_in_good_standing(auth: "Auth", ada: "User") -> None:
    added = await ada.add()
    removed = ada.authenticator.credentials[-1]
    assert (await auth.http.delete(f"/auth/v1/me/passkeys/{added['id']}", headers=ada.headers)).status_code == 204
    assert (await show(auth, ada.authenticator.use(await options(auth), removed))).status_code == 401
    await ada.add()
    for change, status, code in (
        ("status = 'SUSPENDED'", 403, "account_suspended"),
        ("status = 'LOCKED'", 403, "account_locked"),
        ("status = 'PENDING', email_verified_at = NULL", 401, "invalid_credentials"),
        ("status = 'DELETED', deleted_at = now()", 401, "invalid_credentials"),
    ):
        await auth.execute(f"UPDATE identities SET {change}")
        refused = await show(auth, ada.authenticator.use(await options(auth)))
        assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_a_touch_alone_signs_nobody_in(auth: "Auth", ada: "User") -> None:
    ada.authenticator.flags = UP
    await ada.add("SECURITY_KEY")
    assert (await show(auth, ada.authenticator.use(await options(auth)))).status_code == 401
    pin = await show(auth, ada.authenticator.use(await options(auth), flags=UP | UV))
    assert pin.status_code == 201, "with its PIN it does"
    assert (await ada.list())[0]["signs_in_alone"]


async def test_risk_is_asked_and_may_stop_it(auth: "Auth", ada: "User", monkeypatch: pytest.MonkeyPatch) -> None:
    await ada.add()
    verdicts: Iterator[Verdict] = iter(("STEP_UP", "BLOCK"))

    def assess(*_: object, **__: object) -> Assessment:
        return Assessment(90, [Reason("impossible_travel", 90, "Oslo and Lima within an hour.")], next(verdicts))

    monkeypatch.setattr(admission.risk, "assess_sign_in", assess)
    risky = await show(auth, ada.authenticator.use(await options(auth)))
    assert risky.status_code == 201, "both factors were shown"
    stopped = await show(auth, ada.authenticator.use(await options(auth)))
    assert (stopped.status_code, stopped.json()["code"]) == (403, "sign_in_blocked")


async def test_limits(auth: "Auth", ada: "User") -> None:
    await ada.add()
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 3 WHERE endpoint = 'passkey'")
    await auth.execute("DELETE FROM rate_limits")
    asked = await options(auth)
    assert (await show(auth, ada.authenticator.use(asked))).status_code == 201
    await options(auth)
    assert (await auth.http.post(f"{SESSIONS}/options")).status_code == 429
    assert (await show(auth, ada.authenticator.use(asked))).status_code == 429
    attempts = "SELECT method::text, failure_reason FROM login_attempts WHERE status = 'BLOCKED'"
    assert await auth.rows(attempts) == [{"method": "PASSKEY", "failure_reason": "RATE_LIMITED"}]


async def test_authenticator_data_that_is_none(auth: "Auth", ada: "User") -> None:
    await ada.add()
    extensions = bytes(32) + b"\x85" + bytes(4)
    for data in (b"", bytes(36), bytes(38), bytes(32) + b"\xc5" + bytes(4), extensions, extensions + b"\x81" * 1400):
        used = ada.authenticator.use(await options(auth))
        used["response"]["authenticatorData"] = urlsafe_b64encode(data).decode().rstrip("=")
        assert (await show(auth, used)).status_code == 401, data


async def test_what_a_new_browser_adds_is_passed_over_and_what_is_misspelt_is_not(auth: "Auth", ada: "User") -> None:
    await ada.add()
    used = ada.authenticator.use(await options(auth)) | {"newInLevel5": {"x": [1]}}
    assert (await show(auth, used, devise_id="laptop")).status_code == 422
    assert (await show(auth, used)).status_code == 201
