"""Where an account is recovered: shown to be its owner's, and every change told."""

from itertools import pairwise
from typing import TYPE_CHECKING

from packages.auth.tests.recoveries.conftest import CONTACTS, Ada, enrol, set_contact

from orion_contracts.account_messages import AccountMessageRequested

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

PHONE = "+4791234567"


async def test_contacts_count_once_their_codes_have_come_back(auth: "Auth", ada: Ada) -> None:
    state = await set_contact(auth, ada.headers, "SMS", {"phone": "+47 912 34 567"})
    assert state.json() == (await auth.http.get(CONTACTS, headers=ada.headers)).json()
    assert (state.json()["email"], state.json()["phone"], state.json()["delay_hours"]) == (
        "ada@another.example",
        PHONE,
        72,
    )
    sent = await auth.rows(
        "SELECT data->>'channel' AS channel, data->>'recipient' AS recipient FROM outbox "
        "WHERE type = :t AND data->>'purpose' = 'RECOVERY_CONTACT' ORDER BY sequence",
        t=AccountMessageRequested.type,
    )
    assert [(row["channel"], row["recipient"]) for row in sent] == [("EMAIL", "ada@another.example"), ("SMS", PHONE)]
    assert await ada.kinds() == ["recovery.changed"] * 2
    assert {notice.email for notice in await ada.notices("recovery.changed")} == {
        "ada@example.com",
        "ada@another.example",
    }


async def test_whoever_reads_the_old_address_is_told_too(auth: "Auth", ada: Ada) -> None:
    await set_contact(auth, ada.headers, "EMAIL", {"email": "eve@evil.example"})
    newest = (await ada.notices("recovery.changed"))[:2]
    assert {notice.email for notice in newest} == {"ada@example.com", "ada@another.example"}
    assert (await auth.http.delete(f"{CONTACTS}/EMAIL", headers=ada.headers)).status_code == 204
    assert (await auth.http.delete(f"{CONTACTS}/EMAIL", headers=ada.headers)).status_code == 404
    assert (await auth.http.get(CONTACTS, headers=ada.headers)).json()["email"] is None
    addresses = [None, "ada@another.example", "eve@evil.example", None]
    assert await auth.changes("recovery.changed") == [
        ({"recovery_email": before}, {"recovery_email": after}) for before, after in pairwise(addresses)
    ]


async def test_the_address_of_the_account_is_no_second_way(auth: "Auth", ada: Ada) -> None:
    refused = await auth.http.post(f"{CONTACTS}/email", json={"email": "ADA@example.com"}, headers=ada.headers)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "same_email")


async def test_a_code_is_good_for_what_it_was_sent_for(auth: "Auth") -> None:
    headers, _ = await enrol(auth)
    await auth.http.post("/auth/v1/me/two-factor/email", headers=headers)
    code = (await auth.sent("TWO_FACTOR_CODE"))[0].code
    body = {"channel": "EMAIL", "code": code}
    assert (await auth.http.post(f"{CONTACTS}/confirmations", json=body, headers=headers)).status_code == 422
    for _ in range(2):
        await auth.http.post(f"{CONTACTS}/email", json={"email": "ada@another.example"}, headers=headers)
    begun = await auth.rows("SELECT id FROM two_factor_challenges WHERE purpose = 'ENROLMENT' AND consumed_at IS NULL")
    assert len(begun) == 1, "it takes the place of the one that was begun before"
    code = (await auth.sent("RECOVERY_CONTACT"))[0].code
    wrong = {"method": "EMAIL", "code": code}
    refused = await auth.http.post("/auth/v1/me/two-factor/confirmations", json=wrong, headers=headers)
    assert refused.status_code == 422
    body = {"channel": "SMS", "code": code}
    assert (await auth.http.post(f"{CONTACTS}/confirmations", json=body, headers=headers)).status_code == 422
    [row] = await auth.rows("SELECT recovery_email, email_verified_at FROM two_factor_auth")
    assert row == {"recovery_email": None, "email_verified_at": None}


async def test_every_change_needs_both_factors_of_late(auth: "Auth", ada: Ada) -> None:
    [user] = await auth.rows("SELECT id FROM identities")
    await auth.execute("UPDATE auth_tokens SET amr = '{pwd}' WHERE user_id = :id", id=user["id"])
    asked = [
        ("POST", "/email", {"email": "eve@evil.example"}),
        ("POST", "/phone", {"phone": PHONE}),
        ("POST", "/confirmations", {"channel": "EMAIL", "code": "000000"}),
        ("DELETE", "/EMAIL", None),
    ]
    for method, path, body in asked:
        refused = await auth.http.request(method, f"{CONTACTS}{path}", json=body, headers=ada.headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "second_factor_needed"), path
        assert 'acr_values="http' in refused.headers["WWW-Authenticate"]
    auth.clock.advance(minutes=6)
    refused = await auth.http.delete(f"{CONTACTS}/EMAIL", headers=ada.headers)
    assert refused.json()["code"] == "reauthentication_required"


async def test_a_change_ends_a_recovery_that_is_under_way(auth: "Auth", ada: Ada) -> None:
    await ada.ask()
    await set_contact(auth, ada.headers, "SMS", {"phone": PHONE})
    assert (await ada.kinds())[-2:] == ["recovery.cancelled", "recovery.changed"]
    assert (await auth.http.get("/auth/v1/me/recoveries/current", headers=ada.headers)).status_code == 404
