"""Registering: what it makes, what it does not tell, and what it refuses."""

import asyncio
from typing import TYPE_CHECKING, Any

from orion_contracts.events import EmailVerificationRequested, IdentityRegistered

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth


async def test_it_makes_a_pending_identity_and_tells_of_it(auth: "Auth") -> None:
    answer = await auth.register(
        "  Ada@Example.com ", username="Ada", name="Ada", locale="de", timezone="Europe/Vienna"
    )
    assert answer.status_code == 202
    [identity] = await auth.rows("SELECT email, username, status::text, locale, password_hash FROM identities")
    assert identity.pop("password_hash").startswith("$argon2id$")
    assert identity == {"email": "ada@example.com", "username": "ada", "status": "PENDING", "locale": "de"}
    events = await auth.rows("SELECT type, data FROM outbox ORDER BY sequence")
    assert [event["type"] for event in events] == [IdentityRegistered.type, EmailVerificationRequested.type]
    registered = IdentityRegistered.read(events[0]["data"])
    assert (registered.name, registered.timezone) == ("Ada", "Europe/Vienna")


async def test_no_secret_is_stored_or_told_in_the_clear(auth: "Auth") -> None:
    await auth.register()
    secrets = await auth.mailed()
    selector, secret = secrets.link.rpartition("/")[2].split(".")
    tables = ("auth_tokens", "two_factor_challenges", "outbox", "identities")
    dumps = [await auth.rows(f"SELECT jsonb_agg(to_jsonb(t))::text AS dump FROM {table} t") for table in tables]
    everything = "".join(row["dump"] for rows in dumps for row in rows)
    assert selector in everything
    assert secret not in everything
    assert f'"{secrets.code}"' not in everything
    assert auth.password not in everything


async def test_a_known_address_gets_the_same_answer_and_keeps_its_account(auth: "Auth") -> None:
    user_id = await auth.verified("ada@example.com")
    before = await auth.rows("SELECT * FROM identities")
    known = await auth.http.post(
        "/auth/v1/identities", json={"email": "ADA@example.com", "password": "another password"}
    )
    unknown = await auth.register("bob@example.com")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert set(known.headers) == set(unknown.headers)
    assert await auth.rows("SELECT * FROM identities WHERE id = :id", id=user_id) == before
    [event] = await auth.rows("SELECT event_type, user_id FROM security_events")
    assert event == {"event_type": "registration.repeated", "user_id": user_id}


async def test_a_pending_address_is_mailed_again_and_keeps_its_first_password(auth: "Auth") -> None:
    await auth.register()
    first = await auth.mailed()
    await auth.http.post("/auth/v1/identities", json={"email": "ada@example.com", "password": "of somebody else"})
    second = await auth.mailed()
    assert first.link != second.link
    assert (await auth.http.post(f"{second.link}/confirmation")).status_code == 204
    assert (await auth.sign_in(password="of somebody else")).status_code == 401
    assert (await auth.sign_in()).status_code == 201


async def test_many_at_once_make_one_identity(auth: "Auth", another_auth: "Auth") -> None:
    answers = await asyncio.gather(*((auth, another_auth)[n % 2].register() for n in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert await auth.rows("SELECT count(*) FROM identities") == [{"count": 1}]
    registered = await auth.rows("SELECT count(*) FROM outbox WHERE type = :type", type=IdentityRegistered.type)
    assert registered == [{"count": 1}]


async def test_many_at_once_share_no_username(auth: "Auth") -> None:
    answers = await asyncio.gather(*(auth.register(f"ada{n}@example.com", username="ada") for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409]
    assert await auth.rows("SELECT count(*) FROM identities") == [{"count": 1}]


async def test_mails_to_one_address_are_limited(auth: "Auth") -> None:
    answers = [await auth.register() for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert answers[-1].headers["Retry-After"] == "300"
    assert (await auth.register("bob@example.com")).status_code == 202


async def test_an_idempotency_key_makes_a_repetition_harmless(auth: "Auth") -> None:
    body = {"email": "ada@example.com", "password": auth.password, "username": "ada"}
    headers = {"Idempotency-Key": "b6f1"}
    first = await auth.http.post("/auth/v1/identities", json=body, headers=headers)
    again = await auth.http.post("/auth/v1/identities", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await auth.counts())["outbox"] == 2


async def test_repetitions_at_once_are_one_registration(auth: "Auth", another_auth: "Auth") -> None:
    body = {"email": "ada@example.com", "password": auth.password}
    headers = {"Idempotency-Key": "b6f1"}
    requests = [
        (auth, another_auth)[n % 2].http.post("/auth/v1/identities", json=body, headers=headers) for n in range(4)
    ]
    answers = await asyncio.gather(*requests)
    assert [answer.status_code for answer in answers] == [202] * 4
    assert (await auth.counts())["outbox"] == 2


GOOD = {"email": "ada@example.com", "password": "correct horse"}


BAD: list[Any] = [
    {},
    [],
    "ada",
    GOOD | {"email": "no address"},
    GOOD | {"email": 7},
    GOOD | {"email": "ada@example.com\0"},
    GOOD | {"email": "a" * 250 + "@example.com"},
    GOOD | {"password": "short"},
    GOOD | {"password": "x" * 257},
    GOOD | {"password": "nul\0nul\0nul"},
    GOOD | {"password": None},
    GOOD | {"username": "-ada"},
    GOOD | {"username": "аda"},
    GOOD | {"name": ""},
    GOOD | {"name": "Ada\r\nBcc: everybody@example.com"},
    GOOD | {"locale": "../de"},
    GOOD | {"timezone": "Mars/Olympus"},
    GOOD | {"is_admin": True},
]


async def test_bad_input_is_refused_and_changes_nothing(auth: "Auth") -> None:
    for body in BAD:
        answer = await auth.http.post("/auth/v1/identities", json=body)
        assert answer.status_code == 422, body
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"]
    assert set((await auth.counts()).values()) == {0}


async def test_a_wrong_password_is_not_echoed(auth: "Auth") -> None:
    answer = await auth.http.post("/auth/v1/identities", json=GOOD | {"password": "hunter2"})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


async def test_bad_bodies(auth: "Auth") -> None:
    headers = {"Content-Type": "application/json"}
    huge = b'{"email": "' + b"a" * 300_000 + b'"}'
    for content, status in ((b"{", 400), (b"\xff\xfe", 400), (huge, 413)):
        answer = await auth.http.post("/auth/v1/identities", content=content, headers=headers)
        assert answer.status_code == status
    assert set((await auth.counts()).values()) == {0}
