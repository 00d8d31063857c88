"""Getting back in without the second factor: only after the first proof, the delay and a code; refused by one press."""

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from packages.auth.tests.recoveries.conftest import RECOVERIES, Ada, enrol, set_contact
from pyotp.totp import TOTP
from sqlalchemy.exc import IntegrityError

from orion_auth.recoveries.rules import MOST_CODES, WINDOW

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

CURRENT = "/auth/v1/me/recoveries/current"


async def test_the_first_proof_the_delay_and_the_code_together_remove_the_factors(auth: "Auth", ada: Ada) -> None:
    session = await auth.http.get("/auth/v1/me/two-factor", headers=ada.headers)
    assert session.json()["is_enabled"]
    await auth.execute(
        "INSERT INTO webauthn_credentials (user_id, credential_id, public_key, name) "
        "SELECT id, decode(repeat('ab', 32), 'hex'), '\\x00', 'lost' FROM identities"
    )
    asked = (await ada.ask()).json()
    assert datetime.fromisoformat(asked["ready_at"]) == auth.clock() + timedelta(hours=72)
    assert datetime.fromisoformat(asked["expires_at"]) == auth.clock() + timedelta(hours=72) + WINDOW
    assert (asked["email_hint"], asked["phone_hint"]) == ("a…@another.example", None)
    auth.clock.advance(hours=72)
    challenge = await ada.challenge()
    assert (await ada.code(challenge)).status_code == 202
    [message] = await auth.rows("SELECT data FROM outbox WHERE data->>'purpose' = 'RECOVERY'")
    assert message["data"]["recipient"] == "ada@another.example"
    assert (await ada.complete(challenge, await ada.sent())).status_code == 200
    assert (await auth.sign_in()).status_code == 201, "there is no second factor any more"
    assert (await auth.http.get("/auth/v1/me/two-factor", headers=ada.headers)).status_code == 401, "sessions ended"
    assert await ada.kinds() == ["recovery.changed", "recovery.requested", "recovery.completed"]
    told = {notice.email for notice in await ada.notices("recovery.completed")}
    assert told == {"ada@example.com", "ada@another.example"}
    [row] = await auth.rows("SELECT is_enabled, totp_secret, recovery_email FROM two_factor_auth")
    assert row == {"is_enabled": False, "totp_secret": None, "recovery_email": "ada@another.example"}
    assert await auth.rows("SELECT * FROM webauthn_credentials") == [], "what was lost lets nobody in"
    assert (await ada.complete(challenge, await ada.sent())).status_code == 410


async def test_the_owner_is_told_at_once_and_asking_again_begins_nothing_new(auth: "Auth", ada: Ada) -> None:
    first = (await ada.ask()).json()
    auth.clock.advance(hours=1)
    assert (await ada.ask()).json() == first
    assert [notice.email for notice in await ada.notices("recovery.requested")] == [
        "ada@another.example",
        "ada@example.com",
    ]
    assert await ada.kinds() == ["recovery.changed", "recovery.requested"]
    assert await auth.rows("SELECT count(*) FROM account_recoveries") == [{"count": 1}]
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 1 WHERE endpoint = 'recovery'")
    assert (await ada.ask()).status_code == 429, "asking is limited"


async def test_before_its_delay_is_over_nothing_moves(auth: "Auth", ada: Ada) -> None:
    challenge = await ada.waited(hours=71.99)
    refused = await ada.code(challenge)
    assert (refused.status_code, refused.json()["code"]) == (409, "recovery_too_early")
    assert int(refused.headers["Retry-After"]) == 36
    assert (await ada.complete(challenge, "000000")).status_code == 422
    with pytest.raises(IntegrityError, match="ck_account_recoveries_completed"):
        await auth.execute("UPDATE account_recoveries SET completed_at = :now", now=auth.clock())


async def test_what_is_not_completed_lapses_and_makes_room_for_another(auth: "Auth", ada: Ada) -> None:
    challenge = await ada.waited(hours=72 + 7 * 24)
    assert (await ada.code(challenge)).json()["code"] == "recovery_not_open"
    assert (await auth.http.get(await ada.link())).status_code == 410
    assert (await ada.ask(challenge)).status_code == 202
    assert await ada.kinds() == ["recovery.changed", "recovery.requested", "recovery.requested"]


async def test_the_link_in_the_notice_refuses_it_and_opening_it_changes_nothing(auth: "Auth", ada: Ada) -> None:
    challenge, code = await ada.ready()
    link, before = await ada.link(), await auth.rows("SELECT * FROM account_recoveries")
    page = await auth.http.get(link)
    assert (page.status_code, page.text.count("<form")) == (200, 1)
    assert (await auth.http.head(link)).status_code == 200
    assert await auth.rows("SELECT * FROM account_recoveries") == before
    assert (await auth.http.post(f"{link[:-1]}_/refusal")).status_code == 410, "a wrong secret"
    pressed = await auth.http.post(f"{link}/refusal", headers={"Accept": "text/html"})
    assert (pressed.status_code, "refused" in pressed.text) == (200, True)
    assert (await auth.http.post(f"{link}/refusal")).status_code == 410
    assert (await auth.http.get(link)).status_code == 410
    assert (await ada.complete(challenge, code)).status_code == 422
    assert (await auth.sign_in()).status_code == 202, "the second factor is there"
    assert (await ada.kinds())[-1] == "recovery.cancelled"


async def test_a_session_of_the_owners_sees_it_and_refuses_it(auth: "Auth", ada: Ada) -> None:
    asked = (await ada.ask()).json()
    assert (await auth.http.get(CURRENT, headers=ada.headers)).json() == asked
    assert (await auth.http.delete(CURRENT, headers=ada.headers)).status_code == 204
    assert (await auth.http.delete(CURRENT, headers=ada.headers)).status_code == 404
    assert (await ada.kinds())[-1] == "recovery.cancelled"


async def test_whoever_shows_the_second_factor_has_not_lost_it(auth: "Auth", ada: Ada) -> None:
    challenge = await ada.challenge()
    await ada.ask(challenge)
    body = {"challenge": challenge, "method": "TOTP", "code": ada.app.at(auth.clock())}
    assert (await auth.http.post("/auth/v1/challenges/answers", json=body)).status_code == 201
    assert (await ada.kinds())[-1] == "recovery.cancelled"


async def test_one_that_was_asked_for_before_all_factors_were_replaced_removes_none_of_the_new_ones(
    auth: "Auth", ada: Ada
) -> None:
    """Whoever has stolen her phone and her password asks for one; an administrator helps her meanwhile."""
    await ada.waited()
    [user] = await auth.rows("SELECT id FROM identities")
    operator = auth.as_bearer(await auth.operator_token())
    assert (await auth.http.delete(f"/auth/v1/users/{user['id']}/two-factor", headers=operator)).status_code == 204
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    app = TOTP((await auth.http.post("/auth/v1/me/two-factor/totp", headers=headers)).json()["secret"])
    body = {"method": "TOTP", "code": app.at(auth.clock())}
    assert (await auth.http.post("/auth/v1/me/two-factor/confirmations", json=body, headers=headers)).is_success
    challenge = await ada.challenge()
    assert (await ada.code(challenge)).json()["code"] == "recovery_not_open"
    assert (await ada.complete(challenge, "000000")).status_code == 422
    assert (await ada.kinds())[-1] == "recovery.cancelled"
    assert datetime.fromisoformat((await ada.ask(challenge)).json()["ready_at"]) > auth.clock(), "it waits as any other"


async def test_of_many_who_complete_and_refuse_at_once_exactly_one_wins(
    auth: "Auth", another_auth: "Auth", ada: Ada
) -> None:
    challenge, code = await ada.ready()
    link = await ada.link()
    answers = await asyncio.gather(
        *(ada.complete(challenge, code, at) for at in (auth, another_auth) * 3),
        *(at.http.post(f"{link}/refusal") for at in (auth, another_auth) * 3),
    )
    completed = [answer.status_code for answer in answers[:6]].count(200)
    refused = [answer.status_code for answer in answers[6:]].count(204)
    assert completed + refused == 1
    ended = [kind for kind in await ada.kinds() if kind in ("recovery.completed", "recovery.cancelled")]
    assert len(ended) == 1
    [row] = await auth.rows(
        "SELECT completed_at IS NOT NULL AS completed, is_enabled FROM account_recoveries, two_factor_auth"
    )
    assert row == {"completed": completed == 1, "is_enabled": refused == 1}


async def test_of_many_who_ask_at_once_one_begins_it(auth: "Auth", another_auth: "Auth", ada: Ada) -> None:
    challenge = await ada.challenge()
    body = {"challenge": challenge}
    answers = await asyncio.gather(*(at.http.post(RECOVERIES, json=body) for at in (auth, another_auth) * 4))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert await auth.rows("SELECT count(*) FROM account_recoveries") == [{"count": 1}]


async def test_a_code_has_five_tries_and_a_recovery_five_codes(auth: "Auth", ada: Ada) -> None:
    challenge, code = await ada.ready()
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    tries = await asyncio.gather(*(ada.complete(challenge, wrong) for _ in range(6)))
    assert {each.status_code for each in tries} == {422}
    assert (await ada.complete(challenge, code)).status_code == 422
    [told] = await ada.notices("two_factor.failed")
    assert told.email == "ada@example.com"
    sent = [await ada.code(challenge) for _ in range(MOST_CODES)]
    assert [each.status_code for each in sent] == [202] * (MOST_CODES - 1) + [409]
    assert (await ada.complete(challenge, await ada.sent())).status_code == 200


async def test_without_the_first_proof_nothing_can_be_asked_for(auth: "Auth", ada: Ada) -> None:
    assert (await ada.ask("x" * 40)).status_code == 410
    challenge, code = await ada.ready()
    assert (await ada.complete("x" * 40, code)).status_code == 410
    auth.clock.advance(minutes=10)
    assert (await ada.ask(challenge)).status_code == 410, "a half-finished sign-in lives for ten minutes"
    assert (await ada.complete(await ada.challenge(), code)).status_code == 422, "and so does a code"


async def test_a_phone_does_it_too_and_who_must_have_a_factor_sets_up_a_new_one(auth: "Auth", ada: Ada) -> None:
    await auth.execute("UPDATE two_factor_auth SET is_required = true")
    await set_contact(auth, ada.headers, "SMS", {"phone": "+4791234567"})
    challenge = await ada.waited()
    assert (await ada.code(challenge, "SMS")).status_code == 202
    [message] = await auth.rows("SELECT data FROM outbox WHERE data->>'purpose' = 'RECOVERY'")
    assert (message["data"]["channel"], message["data"]["recipient"]) == ("SMS", "+4791234567")
    assert (await ada.complete(challenge, await ada.sent())).status_code == 200
    needed = await auth.sign_in()
    assert (needed.status_code, needed.json()["must_enrol"]) == (202, True)


async def test_what_was_not_set_up_or_is_not_needed_is_said_so(auth: "Auth") -> None:
    await enrol(auth)
    needed = await auth.sign_in()
    refused = await auth.http.post(RECOVERIES, json={"challenge": needed.json()["challenge"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "recovery_not_set_up")
    await auth.execute(
        "UPDATE two_factor_auth SET recovery_email = 'ada@example.com', recovery_email_verified_at = now()"
    )
    refused = await auth.http.post(RECOVERIES, json={"challenge": needed.json()["challenge"]})
    assert refused.json()["code"] == "recovery_not_set_up", "the mailbox that resets the password is none"
    await auth.execute("UPDATE two_factor_auth SET is_enabled = false")
    refused = await auth.http.post(RECOVERIES, json={"challenge": needed.json()["challenge"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "recovery_not_needed")


async def test_whoever_has_the_password_uses_up_nothing_that_the_owner_recovers_his_account_with(
    auth: "Auth", ada: Ada
) -> None:
    laptop = {"email": "ada@example.com", "password": auth.password, "device_id": "adas-laptop"}
    begun = (await auth.http.post("/auth/v1/sessions", json=laptop)).json()
    answer = {"challenge": begun["challenge"], "method": "TOTP", "code": ada.app.at(auth.clock())}
    assert (await auth.http.post("/auth/v1/challenges/answers", json=answer)).status_code == 201
    stolen = await ada.waited()
    endpoints = "('recovery', 'two_factor_code', 'two_factor_verification')"
    await auth.execute(f'UPDATE rate_limit_policies SET "limit" = 1 WHERE endpoint IN {endpoints}')
    assert [(await ada.ask(stolen)).status_code for _ in range(2)] == [202, 429]
    assert [(await ada.code(stolen)).status_code for _ in range(2)] == [202, 429]
    assert [(await ada.complete(stolen, "000000")).status_code for _ in range(2)] == [422, 429]
    challenge = (await auth.http.post("/auth/v1/sessions", json=laptop)).json()["challenge"]
    assert (await ada.ask(challenge)).status_code == 202
    assert (await ada.code(challenge)).status_code == 202
    assert (await ada.complete(challenge, await ada.sent())).status_code == 200
