"""The phone number of an account: shown to be its owner's, changed, taken away, and whose it is told to nobody."""

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx

from orion_contracts.account_messages import AccountMessageRequested, SecurityNoticeRaised
from orion_contracts.events import PhoneChanged

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ME = "/auth/v1/me"
PHONE, OTHER = "+4791234567", "+4791234568"


async def signed_in(auth: "Auth", email: str = "ada@example.com") -> dict[str, str]:
    await auth.verified(email)
    return auth.as_bearer((await auth.sign_in(email)).json()["access_token"])


async def ask(auth: "Auth", headers: dict[str, str], phone: str = PHONE) -> httpx.Response:
    return await auth.http.post(f"{ME}/phone-changes", json={"phone": phone}, headers=headers)


async def confirm(auth: "Auth", headers: dict[str, str], code: str) -> httpx.Response:
    return await auth.http.post(f"{ME}/phone-changes/confirmations", json={"code": code}, headers=headers)


async def code_sent(auth: "Auth") -> str:
    code = (await auth.sent("PHONE_VERIFICATION"))[0].code
    assert code is not None
    return code


async def has(auth: "Auth", headers: dict[str, str], phone: str = PHONE) -> None:
    """Have the phone shown and kept."""
    assert (await ask(auth, headers, phone)).status_code == 202
    assert (await confirm(auth, headers, await code_sent(auth))).status_code == 200


async def events(auth: "Auth") -> list[dict[str, Any]]:
    rows = await auth.rows("SELECT data FROM outbox WHERE type = :type ORDER BY sequence", type=PhoneChanged.type)
    return [row["data"] for row in rows]


async def test_a_number_is_the_accounts_once_its_code_has_come_back(auth: "Auth") -> None:
    headers = await signed_in(auth)
    answer = await ask(auth, headers, "+47 912 34 567")
    assert (answer.status_code, answer.json()["expires_in"]) == (202, 600)
    [message] = await auth.rows("SELECT data FROM outbox WHERE type = :t", t=AccountMessageRequested.type)
    assert (message["data"]["channel"], message["data"]["recipient"]) == ("SMS", PHONE)
    assert (await auth.http.get(f"{ME}/phone", headers=headers)).json() == {"phone": None, "verified_at": None}
    state = (await confirm(auth, headers, await code_sent(auth))).json()
    assert state == (await auth.http.get(f"{ME}/phone", headers=headers)).json()
    assert state["phone"] == PHONE
    [row] = await auth.rows("SELECT phone, phone_verified_at FROM identities")
    assert row == {"phone": PHONE, "phone_verified_at": auth.clock()}
    [event] = await events(auth)
    assert (event["phone"], "previous" in event) == (PHONE, False)
    [notice] = await auth.rows("SELECT data FROM outbox WHERE type = :t", t=SecurityNoticeRaised.type)
    assert notice["data"]["notice"] == "phone.changed"


async def test_it_is_changed_and_taken_away_and_all_hear_of_it(auth: "Auth") -> None:
    headers = await signed_in(auth)
    await has(auth, headers)
    await has(auth, headers, OTHER)
    assert (await auth.http.delete(f"{ME}/phone", headers=headers)).status_code == 204
    assert (await auth.http.delete(f"{ME}/phone", headers=headers)).status_code == 404
    assert [(each.get("phone"), each.get("previous")) for each in await events(auth)] == [
        (PHONE, None),
        (OTHER, PHONE),
        (None, OTHER),
    ]
    [row] = await auth.rows("SELECT phone, phone_verified_at FROM identities")
    assert row == {"phone": None, "phone_verified_at": None}
    kinds = await auth.rows("SELECT event_type FROM security_events WHERE was_notified")
    assert [row["event_type"] for row in kinds] == ["phone.changed"] * 3
    numbers = [None, PHONE, OTHER, None]
    assert await auth.changes("phone.changed") == [
        ({"phone": before}, {"phone": after}) for before, after in pairwise(numbers)
    ]


async def test_the_number_of_somebody_else_gets_no_code_and_the_answer_does_not_tell(auth: "Auth") -> None:
    await has(auth, await signed_in(auth, "grace@example.com"))
    headers = await signed_in(auth)
    free, taken = await ask(auth, headers, OTHER), await ask(auth, headers)
    assert (free.status_code, free.json(), free.headers.keys()) == (
        taken.status_code,
        taken.json(),
        taken.headers.keys(),
    )
    sent = await auth.rows(
        "SELECT data->>'recipient' AS to FROM outbox WHERE type = :t", t=AccountMessageRequested.type
    )
    assert [row["to"] for row in sent] == [PHONE, OTHER], "one for each who may have it"
    assert (await confirm(auth, headers, await code_sent(auth))).status_code == 422, "the later request is the one"


async def test_of_two_who_show_the_same_number_at_once_one_has_it(auth: "Auth", another_auth: "Auth") -> None:
    ada, grace = await signed_in(auth), await signed_in(auth, "grace@example.com")
    codes: list[str] = []
    for headers in (ada, grace):
        await ask(auth, headers)
        codes.append(await code_sent(auth))
    answers = await asyncio.gather(confirm(auth, ada, codes[0]), confirm(another_auth, grace, codes[1]))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert await auth.rows("SELECT count(*) FROM identities WHERE phone = :phone", phone=PHONE) == [{"count": 1}]
    assert len(await events(auth)) == 1


async def test_a_code_has_five_tries_ten_minutes_and_one_use(auth: "Auth") -> None:
    headers = await signed_in(auth)
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    await ask(auth, headers)
    code = await code_sent(auth)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    tries = await asyncio.gather(*(confirm(auth, headers, wrong) for _ in range(5)))
    assert {each.status_code for each in tries} == {422}
    assert (await confirm(auth, headers, code)).json()["code"] == "invalid_code"
    await ask(auth, headers)
    once = await code_sent(auth)
    begun = await auth.rows("SELECT id FROM two_factor_challenges WHERE purpose = 'PHONE_VERIFICATION'")
    assert len(begun) == 1, "it takes the place of the one that was sent before"
    at_once = await asyncio.gather(*(confirm(auth, headers, once) for _ in range(8)))
    assert sorted(each.status_code for each in at_once) == [200] + [422] * 7
    await ask(auth, headers, OTHER)
    auth.clock.advance(minutes=10)
    fresh = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    assert (await confirm(auth, fresh, await code_sent(auth))).status_code == 422, "ten minutes are over"
    assert code not in str(await auth.rows("SELECT code_hash, context FROM two_factor_challenges"))


async def test_messages_end_by_number_by_range_and_by_user(auth: "Auth") -> None:
    headers = await signed_in(auth)
    sent = [await ask(auth, headers) for _ in range(6)]
    assert [each.status_code for each in sent] == [202] * 5 + [429]
    assert "two_factor_code" in sent[-1].headers["RateLimit"]
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 1000 WHERE endpoint = 'two_factor_code'")
    again = await ask(auth, headers)
    assert (again.status_code, "sms_to_number" in again.headers["RateLimit"]) == (429, True)
    others = [await ask(auth, headers, f"+47912345{number:02d}") for number in range(16)]
    assert [each.status_code for each in others] == [202] * 15 + [429]
    assert "sms_to_range" in others[-1].headers["RateLimit"]


async def test_what_no_message_reaches_is_refused_and_every_change_needs_a_recent_proof(auth: "Auth") -> None:
    headers = await signed_in(auth)
    for phone in ("91234567", "+1 900 555 0199", "+999 123 456", "callme"):
        refused = await ask(auth, headers, phone)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "/phone")
    auth.clock.advance(minutes=6)
    stale = [
        await ask(auth, headers),
        await confirm(auth, headers, "000000"),
        await auth.http.delete(f"{ME}/phone", headers=headers),
    ]
    assert {each.json()["code"] for each in stale} == {"reauthentication_required"}
    assert (await auth.http.get(f"{ME}/phone", headers=headers)).status_code == 200
