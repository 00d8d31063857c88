"""The second half of a sign-in: what it is bound to, how often it may be tried, and that it is finished once."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from orion_auth.admission import actions as admission
from orion_auth.risk.rules import Assessment, Reason
from orion_contracts.account_messages import AccountMessageRequested, MessageSecrets
from orion_core.sealing import Keyring

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

EVENT_KEYS = "e1:ZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWU="
UNLIKE = Assessment(60, [Reason("impossible_travel", 60, "Oslo and Lima within an hour.")], "STEP_UP")


@pytest.fixture
def risky(monkeypatch: pytest.MonkeyPatch) -> None:
    def assess(*_: object, **__: object) -> Assessment:
        return UNLIKE

    monkeypatch.setattr(admission.risk, "assess_sign_in", assess)


async def code_sent(auth: "Auth") -> str:
    """The code in the last message."""
    [row] = await auth.rows(
        "SELECT data FROM outbox WHERE type = :type ORDER BY sequence DESC LIMIT 1", type=AccountMessageRequested.type
    )
    event = AccountMessageRequested.read(row["data"])
    assert event.purpose == "TWO_FACTOR_CODE"
    opened = Keyring.parse(EVENT_KEYS).open_text(event.secrets, event.associated_data())
    code = MessageSecrets.model_validate_json(opened).code
    assert code is not None
    return code


def claims_of(session: httpx.Response) -> dict[str, Any]:
    payload = session.json()["access_token"].split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=="))


async def send(auth: "Auth", challenge: str, method: str = "EMAIL") -> httpx.Response:
    return await auth.http.post("/auth/v1/challenges/codes", json={"challenge": challenge, "method": method})


async def answer(auth: "Auth", challenge: str, code: str, method: str = "EMAIL") -> httpx.Response:
    body = {"challenge": challenge, "method": method, "code": code}
    return await auth.http.post("/auth/v1/challenges/answers", json=body)


async def challenged(auth: "Auth") -> str:
    """The challenge of a sign-in that looks unlike a user without second factors."""
    needed = await auth.sign_in()
    assert needed.status_code == 202, needed.text
    assert needed.json()["methods"] == ["EMAIL"]
    assert needed.json()["expires_in"] == 600
    assert needed.headers["RateLimit"].startswith('"login'), "what the first proof was counted under"
    return needed.json()["challenge"]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


@pytest.mark.usefixtures("risky")
async def test_a_risky_sign_in_begins_with_the_code_that_was_mailed(auth: "Auth") -> None:
    await auth.verified()
    challenge = await challenged(auth)
    assert await auth.rows("SELECT * FROM auth_tokens WHERE type = 'REFRESH'") == [], "nothing has begun"
    sent = await send(auth, challenge)
    assert sent.status_code == 202
    assert "two_factor_code" in sent.headers["RateLimit"]
    session = await answer(auth, challenge, await code_sent(auth))
    assert session.status_code == 201, session.text
    assert claims_of(session)["amr"] == ["pwd", "otp"], "a mailbox is no second factor unless its owner says so"
    [attempt] = await auth.rows(
        "SELECT status::text, method::text, two_factor_used, two_factor_method::text, risk_score FROM login_attempts"
    )
    assert attempt == {
        "status": "SUSPICIOUS",
        "method": "PASSWORD",
        "two_factor_used": True,
        "two_factor_method": "EMAIL",
        "risk_score": 60,
    }
    assert (await answer(auth, challenge, await code_sent(auth))).status_code == 410, "it was finished"


@pytest.mark.usefixtures("risky")
async def test_of_many_answers_at_once_one_begins_a_session(auth: "Auth") -> None:
    await auth.verified()
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    challenge = await challenged(auth)
    await send(auth, challenge)
    code = await code_sent(auth)
    answers = await asyncio.gather(*(answer(auth, challenge, code) for _ in range(20)))
    assert sorted(each.status_code for each in answers) == [201] + [410] * 19
    assert len(await auth.rows("SELECT * FROM auth_tokens WHERE type = 'REFRESH'")) == 1


@pytest.mark.usefixtures("risky")
async def test_five_tries_however_many_come_at_once_and_the_owner_is_told(auth: "Auth") -> None:
    await auth.verified()
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    challenge = await challenged(auth)
    await send(auth, challenge)
    code = await code_sent(auth)
    answers = await asyncio.gather(*(answer(auth, challenge, wrong(code)) for _ in range(20)))
    assert sorted(each.status_code for each in answers) == [410] * 15 + [422] * 5
    assert (await answer(auth, challenge, code)).json()["code"] == "challenge_over", "the right one comes too late"
    [failed] = await auth.rows("SELECT count(*), min(failure_reason) FROM login_attempts WHERE status = 'FAILED'")
    assert failed == {"count": 5, "min": "WRONG_SECOND_FACTOR"}
    [identity] = await auth.rows("SELECT failed_login_count FROM identities")
    assert identity == {"failed_login_count": 0}, "passwords are counted apart"
    [event] = await auth.rows("SELECT event_type, was_notified FROM security_events")
    assert event == {"event_type": "two_factor.failed", "was_notified": True}


@pytest.mark.usefixtures("risky")
async def test_five_tries_a_minute_for_a_user_over_all_his_challenges(auth: "Auth") -> None:
    await auth.verified()
    challenges = [await challenged(auth) for _ in range(2)]
    answers = [await answer(auth, challenges[number % 2], "000000") for number in range(20)]
    assert [each.status_code for each in answers] == [422] * 5 + [429] * 15
    left = [each.headers["RateLimit"].partition(";t=")[0] for each in answers[:6]]
    assert left == [f'"two_factor_verification";r={n}' for n in (4, 3, 2, 1, 0, 0)]
    attempts = await auth.rows(
        "SELECT user_id IS NOT NULL AS is_told_whose, count(*) FROM login_attempts"
        " WHERE status = 'BLOCKED' AND failure_reason = 'RATE_LIMITED' GROUP BY 1"
    )
    assert attempts == [{"is_told_whose": True, "count": 10}], "of a network's, the first few in a minute"


@pytest.mark.usefixtures("risky")
async def test_a_challenge_ends_after_ten_minutes(auth: "Auth") -> None:
    await auth.verified()
    challenge = await challenged(auth)
    await send(auth, challenge)
    auth.clock.advance(minutes=10)
    assert (await answer(auth, challenge, await code_sent(auth))).status_code == 410
    assert (await send(auth, challenge)).status_code == 410


@pytest.mark.parametrize(
    "change",
    [
        "status = 'SUSPENDED'",
        "status = 'LOCKED'",
        "security_epoch = security_epoch + 1",
        "password_hash = '$argon2id$v=19$another'",
        "email = 'other@example.com'",
        "status = 'DELETED', deleted_at = now()",
    ],
)
@pytest.mark.usefixtures("risky")
async def test_a_challenge_dies_with_what_it_was_bound_to(auth: "Auth", change: str) -> None:
    await auth.verified()
    challenge = await challenged(auth)
    await send(auth, challenge)
    before = await auth.counts()
    await auth.execute(f"UPDATE identities SET {change}")
    assert (await send(auth, challenge)).status_code == 410
    assert (await answer(auth, challenge, await code_sent(auth))).status_code == 410
    await auth.execute("UPDATE identities SET status = 'ACTIVE', deleted_at = NULL")
    assert (await answer(auth, challenge, await code_sent(auth))).status_code == 410, "and does not come back"
    assert await auth.counts() == before


@pytest.mark.usefixtures("risky")
async def test_a_code_that_was_sent_before_there_was_a_second_factor_stands_in_for_none(auth: "Auth") -> None:
    await auth.verified()
    challenge = await challenged(auth)
    await send(auth, challenge)
    await auth.execute(
        "INSERT INTO two_factor_auth (user_id, is_enabled, primary_method, totp_secret, totp_verified_at) "
        "SELECT id, true, 'TOTP', '\\x00', now() FROM identities"
    )
    assert (await answer(auth, challenge, await code_sent(auth))).status_code == 410


@pytest.mark.usefixtures("risky")
async def test_a_new_code_takes_the_place_of_the_last_and_three_are_sent(auth: "Auth") -> None:
    await auth.verified()
    challenge = await challenged(auth)
    await send(auth, challenge)
    first = await code_sent(auth)
    await send(auth, challenge)
    second = await code_sent(auth)
    if first != second:
        assert (await answer(auth, challenge, first)).status_code == 422
    assert (await send(auth, challenge)).status_code == 202
    refused = await send(auth, challenge)
    assert (refused.status_code, refused.json()["code"]) == (409, "enough_codes_sent")
    assert (await answer(auth, challenge, await code_sent(auth))).status_code == 201


@pytest.mark.usefixtures("risky")
async def test_codes_to_one_user_are_limited_over_all_his_challenges(auth: "Auth") -> None:
    await auth.verified()
    challenges = [await challenged(auth) for _ in range(3)]
    sent = [await send(auth, challenges[number % 3]) for number in range(6)]
    assert [each.status_code for each in sent] == [202] * 5 + [429]


@pytest.mark.usefixtures("risky")
async def test_who_has_the_password_uses_up_no_tries_and_no_codes_of_a_device_that_the_owner_knows(
    auth: "Auth",
) -> None:
    async def on_laptop() -> str:
        body = {"email": "ada@example.com", "password": auth.password, "device_id": "adas-laptop"}
        return (await auth.http.post("/auth/v1/sessions", json=body)).json()["challenge"]

    async def come_in(challenge: str) -> None:
        assert (await send(auth, challenge)).status_code == 202
        assert (await answer(auth, challenge, await code_sent(auth))).status_code == 201

    await auth.verified()
    await come_in(await on_laptop())
    for_thief = await challenged(auth)
    tried = [await answer(auth, for_thief, "000000") for _ in range(5)]
    assert [each.status_code for each in tried] == [422] * 4 + [429], "the first time the laptop was not known yet"
    challenges = [await challenged(auth) for _ in range(2)]
    sent = [await send(auth, challenges[number % 2]) for number in range(5)]
    assert [each.status_code for each in sent] == [202] * 4 + [429]
    await come_in(await on_laptop())


async def test_without_a_code_by_mail_a_risky_sign_in_is_told(auth: "Auth", risky: None) -> None:
    await auth.verified()
    components = auth.application.state.components
    gate = components.gate
    policy = type(gate.factor_policy)(frozenset())
    object.__setattr__(gate, "factor_policy", policy)
    assert (await auth.sign_in()).status_code == 201
    [event] = await auth.rows("SELECT event_type, was_notified FROM security_events")
    assert event == {"event_type": "sign_in.suspicious", "was_notified": True}


@pytest.mark.usefixtures("risky")
async def test_only_what_was_offered(auth: "Auth") -> None:
    await auth.verified()
    challenge = await challenged(auth)
    for method in ("TOTP", "SMS", "BACKUP_CODE"):
        refused = await answer(auth, challenge, "000000", method)
        assert (refused.status_code, refused.json()["code"]) == (422, "method_not_offered")
    assert (await send(auth, challenge, "SMS")).json()["code"] == "method_not_offered"


CHANGES: list[Callable[[str], str]] = [
    lambda challenge: challenge[:-1] + ("A" if challenge[-1] != "A" else "E"),
    lambda challenge: ("0" if challenge[0] != "0" else "1") + challenge[1:],
    lambda challenge: challenge.split(".")[0],
    lambda challenge: challenge.upper(),
    lambda _: "x",
    lambda _: "é.é",
]


@pytest.mark.usefixtures("risky")
async def test_foreign_challenges_are_over_as_those_that_were(auth: "Auth") -> None:
    await auth.verified()
    challenge = await challenged(auth)
    await send(auth, challenge)
    over: list[dict[str, Any]] = []
    for change in CHANGES:
        refused = await answer(auth, change(challenge), await code_sent(auth))
        assert refused.status_code == 410, change(challenge)
        over.append(refused.json() | {"instance": None})
    assert (await answer(auth, challenge, await code_sent(auth))).status_code == 201
    over.append((await answer(auth, challenge, "000000")).json() | {"instance": None})
    assert all(each == over[0] for each in over)


@pytest.mark.usefixtures("risky")
async def test_nothing_of_it_stands_in_the_database_in_clear(auth: "Auth") -> None:
    await auth.verified()
    challenge = await challenged(auth)
    await send(auth, challenge)
    rows = str(await auth.rows("SELECT * FROM two_factor_challenges WHERE purpose = 'SIGN_IN'"))
    assert challenge.split(".")[1] not in rows
    assert f"'{await code_sent(auth)}'" not in rows
    assert "argon2" not in rows
