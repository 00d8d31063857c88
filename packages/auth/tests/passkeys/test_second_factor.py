"""A key as the second factor: bound to the half-finished sign-in, and to whose it is."""

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth
    from packages.auth.tests.passkeys.conftest import User

UP, UV = 0x01, 0x04


@pytest.fixture
async def keyed(ada: "User") -> "User":
    """Somebody whose key needs a touch and no more."""
    ada.authenticator.flags = UP
    await ada.add("SECURITY_KEY")
    return ada


async def half_way(auth: "Auth", email: str = "ada@example.com") -> str:
    needed = await auth.sign_in(email)
    assert needed.status_code == 202, needed.text
    assert needed.json()["methods"] == ["HARDWARE_KEY"]
    return needed.json()["challenge"]


async def options(auth: "Auth", challenge: str) -> dict[str, Any]:
    asked = await auth.http.post("/auth/v1/challenges/passkey-options", json={"challenge": challenge})
    assert asked.status_code == 201, asked.text
    return asked.json()


async def answer(auth: "Auth", challenge: str, credential: dict[str, Any]) -> httpx.Response:
    body = {"challenge": challenge, "credential": credential}
    return await auth.http.post("/auth/v1/challenges/passkey-answers", json=body)


async def test_a_touch_after_the_password(auth: "Auth", keyed: "User") -> None:
    challenge = await half_way(auth)
    asked = await options(auth, challenge)
    [allowed] = asked["allowCredentials"]
    assert allowed["id"] == (await keyed.list())[0]["credential_id"]
    session = await answer(auth, challenge, keyed.authenticator.use(asked, handle=None))
    assert session.status_code == 201, session.text
    claims = json.loads(urlsafe_b64decode(session.json()["access_token"].split(".")[1] + "=="))
    assert claims["amr"] == ["pwd", "hwk", "mfa"]
    [attempt] = await auth.rows(
        "SELECT method::text, two_factor_method::text FROM login_attempts WHERE two_factor_used"
    )
    assert attempt == {"method": "PASSWORD", "two_factor_method": "HARDWARE_KEY"}
    [state] = await auth.rows("SELECT last_used_method::text FROM two_factor_auth")
    assert state["last_used_method"] == "HARDWARE_KEY"
    assert (await answer(auth, challenge, keyed.authenticator.use(asked))).status_code == 410


async def test_an_answer_is_for_one_half_finished_sign_in(auth: "Auth", keyed: "User") -> None:
    first, second = await half_way(auth), await half_way(auth)
    for_first = keyed.authenticator.use(await options(auth, first))
    refused = await answer(auth, second, for_first)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_passkey")
    assert (await answer(auth, first, for_first)).status_code == 422, "it is used up"
    assert (await answer(auth, first, keyed.authenticator.use(await options(auth, first)))).status_code == 201


async def test_the_key_of_somebody_else(auth: "Auth", keyed: "User", bob: "User") -> None:
    await bob.add()
    challenge = await half_way(auth)
    for handle in (None, bob.authenticator.credentials[0].handle, keyed.authenticator.credentials[0].handle):
        asked = await options(auth, challenge)
        refused = await answer(auth, challenge, bob.authenticator.use(asked, handle=handle))
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_passkey")
    his = await auth.rows("SELECT sign_count FROM webauthn_credentials ORDER BY id")
    assert [row["sign_count"] for row in his] == [1, 1], "it was not used"


async def test_a_challenge_of_the_way_in_alone_is_none_here(auth: "Auth", keyed: "User") -> None:
    challenge = await half_way(auth)
    alone = (await auth.http.post("/auth/v1/passkey-sessions/options")).json()
    assert (await answer(auth, challenge, keyed.authenticator.use(alone))).status_code == 422
    asked = await options(auth, challenge)
    used = keyed.authenticator.use(asked, flags=UP | UV)
    signed_in = await auth.http.post("/auth/v1/passkey-sessions", json={"credential": used})
    assert signed_in.status_code == 401, "nor the other way round"


async def test_wrong_answers_count(auth: "Auth", keyed: "User") -> None:
    challenge = await half_way(auth)
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    changes: list[dict[str, Any]] = [
        {"origin": "https://evil.example"},
        {"flags": 0},
        {"type": "webauthn.create"},
        {"challenge": "AAAA"},
        {"crossOrigin": True},
    ]
    for change in changes:
        refused = await answer(auth, challenge, keyed.authenticator.use(await options(auth, challenge), **change))
        assert refused.status_code == 422, change
    gone = await auth.http.post("/auth/v1/challenges/passkey-options", json={"challenge": challenge})
    assert (gone.status_code, gone.json()["code"]) == (410, "challenge_over")
    [event] = await auth.rows("SELECT was_notified FROM security_events WHERE event_type = 'two_factor.failed'")
    assert event["was_notified"]


async def test_a_copy_is_told_and_the_second_factor_stays(auth: "Auth", keyed: "User") -> None:
    challenge = await half_way(auth)
    refused = await answer(auth, challenge, keyed.authenticator.use(await options(auth, challenge), count=1))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_passkey")
    events = await auth.rows("SELECT event_type FROM security_events WHERE event_type = 'passkey.cloned'")
    assert len(events) == 1
    assert (await options(auth, challenge))["allowCredentials"] == []
    assert (await auth.sign_in()).status_code == 202


async def test_only_where_a_key_was_offered(auth: "Auth", ada: "User") -> None:
    foreign = await auth.http.post("/auth/v1/challenges/passkey-options", json={"challenge": "x"})
    assert foreign.status_code == 410
    await ada.add()
    await auth.execute("UPDATE two_factor_auth SET email_verified_at = now(), hardware_key_verified_at = NULL")
    await auth.execute("UPDATE two_factor_auth SET primary_method = 'EMAIL'")
    needed = (await auth.sign_in()).json()
    refused = await auth.http.post("/auth/v1/challenges/passkey-options", json={"challenge": needed["challenge"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "method_not_offered")


async def test_the_device_is_trusted_where_that_is_asked_for(auth: "Auth", keyed: "User") -> None:
    body = {"email": "ada@example.com", "password": auth.password, "device_id": "laptop"}
    challenge = (await auth.http.post("/auth/v1/sessions", json=body)).json()["challenge"]
    shown = {"challenge": challenge, "credential": keyed.authenticator.use(await options(auth, challenge))}
    session = await auth.http.post("/auth/v1/challenges/passkey-answers", json=shown | {"trust_device": True})
    assert session.json()["device_secret"], session.text
    body["device_secret"] = session.json()["device_secret"]
    assert (await auth.http.post("/auth/v1/sessions", json=body)).status_code == 201


async def enrolment(auth: "Auth", challenge: str) -> httpx.Response:
    return await auth.http.post("/auth/v1/challenges/passkey-enrolments/options", json={"challenge": challenge})


async def test_a_key_is_made_for_one_half_finished_sign_in(auth: "Auth", ada: "User") -> None:
    await auth.execute("INSERT INTO two_factor_auth (user_id, is_required) SELECT id, true FROM identities")
    first, second = [(await auth.sign_in()).json()["challenge"] for _ in range(2)]
    path = "/auth/v1/challenges/passkey-enrolments"
    for_first = ada.authenticator.make((await enrolment(auth, first)).json())
    for wrong in (second, first):
        refused = await auth.http.post(path, json={"challenge": wrong, "credential": for_first})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_passkey"), "it is used up"
    signed_in = ada.authenticator.make(await ada.options())
    refused = await auth.http.post(path, json={"challenge": first, "credential": signed_in})
    assert refused.status_code == 422, "nor is one that was begun by somebody signed in"
    made = ada.authenticator.make((await enrolment(auth, first)).json())
    assert (await auth.http.post(path, json={"challenge": first, "credential": made})).status_code == 201


async def test_who_must_have_a_second_factor_may_add_a_passkey_on_the_way_in(
    auth: "Auth", ada: "User", bob: "User"
) -> None:
    await auth.execute(
        "INSERT INTO two_factor_auth (user_id, is_required) SELECT id, true FROM identities WHERE email LIKE 'ada%'"
    )
    needed = (await auth.sign_in()).json()
    assert (needed["methods"], needed["must_enrol"]) == (["TOTP", "HARDWARE_KEY"], True)
    challenge, other = needed["challenge"], (await auth.sign_in()).json()["challenge"]
    path = "/auth/v1/challenges/passkey-enrolments"
    elsewhere = ada.authenticator.make((await enrolment(auth, challenge)).json(), origin="https://evil.example")
    refused = await auth.http.post(path, json={"challenge": challenge, "credential": elsewhere})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_passkey")
    made = ada.authenticator.make((await enrolment(auth, challenge)).json())
    session = await auth.http.post(path, json={"challenge": challenge, "credential": made})
    assert session.status_code == 201, session.text
    kinds = "('passkey.added', 'two_factor.enabled')"
    events = await auth.rows(f"SELECT event_type FROM security_events WHERE event_type IN {kinds}")
    assert len(events) == 2
    late = bob.authenticator.make((await enrolment(auth, other)).json())
    over = await auth.http.post(path, json={"challenge": other, "credential": late})
    assert (over.status_code, over.json()["code"]) == (410, "challenge_over"), (
        "a thief who began before adds his no more"
    )
    again = await half_way(auth)
    assert (await answer(auth, again, ada.authenticator.use(await options(auth, again)))).status_code == 201


async def test_who_has_a_second_factor_shows_it_and_adds_none_on_the_way_in(auth: "Auth", keyed: "User") -> None:
    mine = await keyed.options()
    challenge = await half_way(auth)
    begun = await enrolment(auth, challenge)
    assert (begun.status_code, begun.json()["code"]) == (409, "enrolment_not_open")
    shown = {"challenge": challenge, "credential": keyed.authenticator.make(mine)}
    refused = await auth.http.post("/auth/v1/challenges/passkey-enrolments", json=shown)
    assert (refused.status_code, refused.json()["code"]) == (409, "enrolment_not_open")
    assert len(await keyed.list()) == 1


async def test_a_code_is_no_key(auth: "Auth", keyed: "User") -> None:
    body = {"challenge": await half_way(auth), "method": "HARDWARE_KEY", "code": "000000"}
    assert (await auth.http.post("/auth/v1/challenges/answers", json=body)).status_code == 422


async def test_a_first_key_ends_the_sessions_that_have_shown_none(auth: "Auth", ada: "User") -> None:
    thief = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    ada.authenticator.flags = UP
    await ada.add("SECURITY_KEY")
    assert (await auth.http.get("/auth/v1/sessions/current", headers=thief)).status_code == 401
    assert await ada.list(), "the session that it was added in goes on"
