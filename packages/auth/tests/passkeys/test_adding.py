"""Adding passkeys, looking after them, and what is no passkey of this site, this moment or this user."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from secrets import token_bytes
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from packages.auth.tests.disavowals.test_disavowals import intruded
from packages.auth.tests.passkeys.conftest import User

from orion_contracts.account_messages import SecurityNoticeRaised

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth
    from packages.auth.tests.passkeys.conftest import Authenticator

MINE = "/auth/v1/me/passkeys"
UP, UV, BE, BS = 0x01, 0x04, 0x08, 0x10


async def notices(auth: "Auth") -> list[str]:
    rows = await auth.rows("SELECT data FROM outbox WHERE type = :t ORDER BY sequence", t=SecurityNoticeRaised.type)
    told = [SecurityNoticeRaised.read(row["data"]).notice for row in rows]
    return [notice for notice in told if notice.startswith(("passkey.", "factors."))]


async def test_what_a_browser_is_asked_for(auth: "Auth", ada: "User") -> None:
    options = await ada.options()
    assert options["rp"] == {"id": "example.com", "name": "Orion"}
    assert options["user"]["name"] == options["user"]["displayName"] == "ada@example.com"
    assert len(options["user"]["id"]) == len(options["challenge"]) == 43, "32 random bytes each"
    assert [each["alg"] for each in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert options["attestation"] == "none"
    assert options["extensions"] == {"credProps": True}
    assert options["timeout"] == 300_000
    [row] = await auth.rows("SELECT * FROM webauthn_challenges")
    assert urlsafe_b64decode(options["challenge"] + "=") not in row.values()
    added = await ada.add()
    again = await ada.options()
    assert again["challenge"] != options["challenge"]
    assert again["user"]["id"] == options["user"]["id"], "authenticators know the user by it"
    assert again["excludeCredentials"] == [
        {"type": "public-key", "id": added["credential_id"], "transports": ["hybrid", "internal"]}
    ]


async def test_a_passkey_is_added_listed_and_told(auth: "Auth", ada: "User") -> None:
    added = await ada.add()
    assert await ada.list() == [added]
    assert added["name"] == "Passkey"
    assert added["transports"] == ["hybrid", "internal"]
    assert added["is_discoverable"]
    assert added["signs_in_alone"]
    assert not added["is_synced"]
    assert await notices(auth) == ["passkey.added"]
    listed = (await auth.http.get(MINE, headers=ada.headers)).json()
    assert listed["rp_id"] == "example.com"
    assert listed["user_handle"] == (await ada.options())["user"]["id"]
    state = (await auth.http.get("/auth/v1/me/two-factor", headers=ada.headers)).json()
    assert state["primary_method"] == "HARDWARE_KEY"
    assert [each["method"] for each in state["methods"]] == ["HARDWARE_KEY"]


async def test_names(auth: "Auth", ada: "User") -> None:
    assert (await ada.add(name="  My phone "))["name"] == "My phone"
    ada.authenticator.aaguid = bytes.fromhex("fbfc3007154e4ecc8c0b6e020557d7bd")
    synced = await ada.finish(ada.authenticator.make(await ada.options(), flags=UP | UV | BE | BS))
    assert synced.json()["name"] == synced.json()["provider"] == "iCloud Keychain"
    assert synced.json()["is_synced"]
    assert synced.json()["is_backed_up"]
    ada.authenticator.aaguid = bytes(16)
    ada.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    passkey = await ada.add()
    assert passkey["name"] == "Firefox on Linux"
    renamed = await auth.http.patch(f"{MINE}/{passkey['id']}", json={"name": "Desk"}, headers=ada.headers)
    assert renamed.json() == passkey | {"name": "Desk"}
    assert await auth.changes("passkey.update") == [({"name": passkey["name"]}, {"name": "Desk"})]


async def test_other_algorithms(ada: "User") -> None:
    for make_key in (ed25519.Ed25519PrivateKey.generate, lambda: rsa.generate_private_key(65537, 2048)):
        ada.authenticator.make_key = make_key
        await ada.add()


async def test_a_recent_proof_is_needed(auth: "Auth", ada: "User") -> None:
    options = await ada.options()
    added = await ada.add()
    auth.clock.advance(minutes=5, seconds=1)
    for answer in (
        await auth.http.post(f"{MINE}/options", json={}, headers=ada.headers),
        await ada.finish(ada.authenticator.make(options)),
        await auth.http.delete(f"{MINE}/{added['id']}", headers=ada.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "reauthentication_required")
    assert await ada.list() == [added]


REFUSED: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.example"},
    "a page below the domain that is not ours": {"origin": "https://other.example.com"},
    "the origin without TLS": {"origin": "http://app.example.com"},
    "another RP ID": {"rp_id": "app.example.com"},
    "another ceremony": {"type": "webauthn.get"},
    "inside of a foreign page": {"crossOrigin": True},
    "no user present": {"flags": UV},
    "no user verified": {"flags": UP},
    "backed up, and cannot be": {"flags": UP | UV | BS},
    "an id that is too short": {"credential_id": b"fifteen of them"},
    "a key of another algorithm": {"public_key": {1: 2, 3: -47, -1: 8, -2: bytes(32), -3: bytes(32)}},
    "a key on no curve": {"public_key": {1: 2, 3: -7, -1: 1, -2: bytes(31) + b"\1", -3: bytes(31) + b"\1"}},
    "a key of another curve": {"public_key": {1: 2, 3: -7, -1: 2, -2: bytes(48), -3: bytes(48)}},
    "a small RSA key": {"public_key": {1: 3, 3: -257, -1: b"\xff" * 128, -2: b"\1\0\1"}},
    "a huge RSA key": {"public_key": {1: 3, 3: -257, -1: b"\xff" * 4096, -2: b"\1\0\1"}},
    "an RSA key with a strange exponent": {"public_key": {1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\xff" * 256}},
    "an RSA key in words": {"public_key": {1: 3, 3: -257, -1: "modulus", -2: b"\1\0\1"}},
    "half an RSA key": {"public_key": {1: 3, 3: -257, -2: b"\1\0\1"}},
    "half a key": {"public_key": {1: 2, 3: -7, -1: 1, -2: bytes(32)}},
    "no key at all": {"public_key": {}},
    "no map for a key": {"public_key": [1, 2]},
}


async def test_what_is_no_answer_is_refused_and_uses_the_challenge_up(auth: "Auth", ada: "User") -> None:
    for what, change in REFUSED.items():
        options = await ada.options()
        refused = await ada.finish(ada.authenticator.make(options, **change))
        assert refused.status_code == 422, (what, refused.text)
        if refused.json()["code"] == "invalid_passkey":
            again = await ada.finish(ada.authenticator.make(options))
            assert (again.status_code, again.json()["code"]) == (410, "ceremony_over"), what
        else:
            assert what == "an id that is too short"
    assert await ada.list() == []
    assert await notices(auth) == []


async def test_a_challenge_is_answered_once_in_five_minutes_by_whom_it_was_for(
    auth: "Auth", ada: "User", bob: "User"
) -> None:
    options = await ada.options()
    foreign = await bob.finish(bob.authenticator.make(options))
    assert (foreign.status_code, foreign.json()["code"]) == (410, "ceremony_over")
    late = await ada.options()
    auth.clock.advance(minutes=4, seconds=59)
    ada.headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    once = await ada.options()
    assert (await ada.finish(ada.authenticator.make(once))).status_code == 201
    assert (await ada.finish(ada.authenticator.make(once))).status_code == 410
    auth.clock.advance(seconds=1)
    assert (await ada.finish(ada.authenticator.make(late))).status_code == 410


async def test_a_challenge_for_signing_in_adds_nothing_nor_one_of_nobodys(auth: "Auth", ada: "User") -> None:
    asked = (await auth.http.post("/auth/v1/passkey-sessions/options")).json()
    options = await ada.options()
    for challenge in (asked["challenge"], "AAAA"):
        refused = await ada.finish(ada.authenticator.make(options | {"challenge": challenge}))
        assert refused.status_code == 410


async def test_a_credential_is_one_accounts(ada: "User", bob: "User") -> None:
    await ada.add()
    made = bob.authenticator.make(await bob.options(), credential_id=ada.authenticator.credentials[0].id)
    known = await bob.finish(made)
    assert (known.status_code, known.json()["code"]) == (409, "passkey_known")
    assert await bob.list() == []


async def test_twenty_and_no_more_however_many_come_at_once(auth: "Auth", ada: "User") -> None:
    for _ in range(18):
        await auth.execute(
            "INSERT INTO webauthn_credentials (user_id, credential_id, public_key, name) "
            "SELECT id, :id, 'x', 'x' FROM identities",
            id=token_bytes(16),
        )
    made = [ada.authenticator.make(await ada.options()) for _ in range(5)]
    answers = await asyncio.gather(*(ada.finish(each) for each in made))
    assert sorted(each.status_code for each in answers) == [201, 201, 409, 409, 409]
    refused = await auth.http.post(f"{MINE}/options", json={}, headers=ada.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "enough_passkeys")


async def test_one_is_removed_and_the_last_one_is_no_second_factor_any_more(auth: "Auth", ada: "User") -> None:
    first, second = await ada.add(), await ada.add()
    codes = await auth.http.post("/auth/v1/me/two-factor/backup-codes", headers=ada.headers)
    assert codes.status_code == 201
    whole = await auth.http.delete("/auth/v1/me/two-factor/methods/HARDWARE_KEY", headers=ada.headers)
    assert (whole.status_code, whole.json()["code"]) == (409, "removed_one_by_one")
    assert (await auth.http.delete(f"{MINE}/{first['id']}", headers=ada.headers)).status_code == 204
    assert (await auth.sign_in()).status_code == 202
    assert (await auth.http.delete(f"{MINE}/{first['id']}", headers=ada.headers)).status_code == 404
    assert (await auth.http.delete(f"{MINE}/{second['id']}", headers=ada.headers)).status_code == 204
    assert (await auth.sign_in()).status_code == 201
    assert await notices(auth) == ["passkey.added", "passkey.added", "passkey.removed", "passkey.removed"]
    state = (await auth.http.get("/auth/v1/me/two-factor", headers=ada.headers)).json()
    assert (state["is_enabled"], state["methods"], state["backup_codes_left"]) == (False, [], 0)


async def test_the_last_one_stays_where_a_second_factor_is_required(auth: "Auth", ada: "User") -> None:
    added = await ada.add()
    await auth.execute("UPDATE two_factor_auth SET is_required = true")
    kept = await auth.http.delete(f"{MINE}/{added['id']}", headers=ada.headers)
    assert (kept.status_code, kept.json()["code"]) == (409, "second_factor_required")
    assert await ada.list() == [added]


async def test_those_that_an_intruder_added_go_with_him(auth: "Auth", authenticator: "Authenticator") -> None:
    mine, theirs, link = await intruded(auth)
    intruder = User(auth, auth.as_bearer(theirs["access_token"]), authenticator)
    await intruder.add()
    assert (await auth.http.post(f"{link}/confirmation")).status_code == 204
    asked = (await auth.http.post("/auth/v1/passkey-sessions/options")).json()
    shown = await auth.http.post("/auth/v1/passkey-sessions", json={"credential": authenticator.use(asked)})
    assert shown.status_code == 401
    [factors] = await auth.rows("SELECT is_enabled, primary_method FROM two_factor_auth")
    assert factors == {"is_enabled": False, "primary_method": None}, "nor is he asked for as a second factor"
    assert mine["user_id"] == theirs["user_id"]


async def test_nobody_touches_those_of_others(auth: "Auth", ada: "User", bob: "User") -> None:
    added = await ada.add()
    path = f"{MINE}/{added['id']}"
    assert (await auth.http.patch(path, json={"name": "Mine"}, headers=bob.headers)).status_code == 404
    assert (await auth.http.delete(path, headers=bob.headers)).status_code == 404
    assert await ada.list() == [added]


async def test_an_administrator_removes_them_with_the_other_factors(auth: "Auth", ada: "User") -> None:
    await ada.add()
    [user] = await auth.rows("SELECT id FROM identities")
    headers = auth.as_bearer(await auth.operator_token())
    assert (await auth.http.delete(f"/auth/v1/users/{user['id']}/two-factor", headers=headers)).status_code == 204
    assert await auth.rows("SELECT * FROM webauthn_credentials") == []
    assert await notices(auth) == ["passkey.added", "factors.reset"]


def answer(**changes: Any) -> dict[str, Any]:
    response = {"clientDataJSON": changes.pop("client_data", ""), "attestationObject": changes.pop("attestation", "")}
    return {"credential": {"id": "A" * 22, "type": "public-key", "response": response} | changes}


BODIES: list[dict[str, Any]] = [
    {},
    {"credential": {}},
    {"credential": "x"},
    answer(client_data="{}"),
    answer(client_data="A" * 4100),
    answer(client_data="AAAAA"),
    answer(attestation="A" * 17000),
    answer(type="password"),
    answer(id="A" * 21),
    answer(id="A" * 2000),
]


async def test_bodies_that_are_none(auth: "Auth", ada: "User") -> None:
    for body in BODIES:
        refused = await auth.http.post(MINE, json=body, headers=ada.headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_fields"), body
    huge = await auth.http.post(MINE, content=b'{"credential": "' + b"A" * 300_000, headers=ada.headers)
    assert huge.status_code == 413


async def test_bytes_that_are_none(ada: "User") -> None:
    for client_data in (b"", b"null", b"[]", b"{}", b'{"challenge": 1}', b"\xff", b"[" * 3000):
        made = ada.authenticator.make(await ada.options())
        made["response"]["clientDataJSON"] = urlsafe_b64encode(client_data).decode().rstrip("=")
        assert (await ada.finish(made)).status_code == 410, client_data
    for attestation in (b"", b"\0", b"\xa0", b"\x81" * 3000, b"\x9b" + b"\xff" * 8, b"\xa1\x63fmt", b"\xff"):
        made = ada.authenticator.make(await ada.options())
        made["response"]["attestationObject"] = urlsafe_b64encode(attestation).decode().rstrip("=")
        assert (await ada.finish(made)).status_code == 422, attestation


async def test_a_security_key_need_not_verify_its_user(ada: "User", authenticator: "Authenticator") -> None:
    authenticator.flags = UP
    options = await ada.options("SECURITY_KEY")
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    assert options["hints"] == ["security-key"]
    assert not (await ada.add("SECURITY_KEY"))["signs_in_alone"]


async def test_where_no_page_may_use_passkeys(auth: "Auth", ada: "User") -> None:
    object.__setattr__(auth.application.state.components, "relying_party", None)
    for answer in (
        await auth.http.post(f"{MINE}/options", json={}, headers=ada.headers),
        await auth.http.post("/auth/v1/passkey-sessions/options"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "passkeys_off")


async def test_the_last_way_in_stays_however_fast_all_are_taken(
    auth: "Auth", another_auth: "Auth", ada: "User", monkeypatch: pytest.MonkeyPatch
) -> None:
    for process in (auth, another_auth):
        parts = process.application.state.components
        settings = parts.settings.model_copy(update={"sign_in_mails": False})
        monkeypatch.setattr(process.application.state, "components", replace(parts, settings=settings))
    first, second = await ada.add(), await ada.add()
    await auth.execute("UPDATE identities SET password_hash = NULL")
    paths = [f"{MINE}/{passkey['id']}" for passkey in (first, second)]
    answers = await asyncio.gather(
        auth.http.delete(paths[0], headers=ada.headers), another_auth.http.delete(paths[1], headers=ada.headers)
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    [refused] = [answer.json() for answer in answers if answer.status_code == 409]
    assert refused["code"] == "last_way_in"
    [left] = await ada.list()
    last = f"{MINE}/{left['id']}"
    await auth.execute(
        "INSERT INTO oauth_connections (name, protocol, client_id, issuer, is_enabled)"
        " VALUES ('example', 'OIDC', 'orion', 'https://example.com', false)"
    )
    await auth.execute(
        "INSERT INTO oauth_providers (user_id, provider, provider_id, is_primary)"
        " SELECT id, 'example', '1', true FROM identities"
    )
    assert (await auth.http.delete(last, headers=ada.headers)).status_code == 409, "it is switched off"
    await auth.execute("UPDATE oauth_connections SET is_enabled = true")
    assert (await auth.http.delete(last, headers=ada.headers)).status_code == 204
