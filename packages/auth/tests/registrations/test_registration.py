"""Registering: what it makes, what it does not tell, and what it refuses."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from orion_auth.hashing import hash_secret
from orion_auth.imports.actions import read_line, take_in
from orion_contracts.events import EmailVerificationRequested, EmailVerified, IdentityRegistered, SecurityNoticeRaised

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
    [told] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SecurityNoticeRaised.type)
    notice = SecurityNoticeRaised.read(told["data"])
    assert (notice.notice, notice.email) == ("registration.repeated", "ada@example.com"), "the owner is told by a mail"


@pytest.mark.parametrize("ada_is_first", [False, True])
async def test_a_link_confirms_the_password_it_was_asked_for_with(auth: "Auth", ada_is_first: bool) -> None:
    links: dict[str, str] = {}
    for password in sorted(("of somebody else", auth.password), reverse=not ada_is_first):
        assert (await auth.register(password=password)).status_code == 202
        links[password] = (await auth.mailed()).link
    assert (await auth.http.post(f"{links[auth.password]}/confirmation")).status_code == 204
    assert (await auth.sign_in(password="of somebody else")).status_code == 401
    assert (await auth.sign_in()).status_code == 201
    assert (await auth.http.post(f"{links['of somebody else']}/confirmation")).status_code == 410
    assert (await auth.sign_in(password="of somebody else")).status_code == 401


@pytest.mark.parametrize("way", ["code", "mail that is asked for again"])
async def test_the_last_registration_counts_for_codes_and_mails_asked_for_again(auth: "Auth", way: str) -> None:
    await auth.register(password="of somebody else")
    await auth.register()
    if way == "code":
        body = {"email": "ada@example.com", "code": (await auth.mailed()).code}
        answer = await auth.http.post("/auth/v1/email-verifications", json=body)
    else:
        await auth.http.post("/auth/v1/verifications", json={"email": "ada@example.com"})
        answer = await auth.http.post(f"{(await auth.mailed()).link}/confirmation")
    assert answer.status_code == 204
    assert (await auth.sign_in(password="of somebody else")).status_code == 401
    assert (await auth.sign_in()).status_code == 201


async def test_when_two_register_an_address_from_different_places_neither_password_is_taken(auth: "Auth") -> None:
    """Its owner confirms the mail that came last, as he cannot tell it from the one that he waits for."""
    stranger = httpx.ASGITransport(auth.application, client=("198.51.100.7", 1234))
    for way in ("link", "code", "again"):
        email = f"{way}@example.com"
        await auth.register(email)
        async with httpx.AsyncClient(transport=stranger, base_url="http://auth.test") as elsewhere:
            await elsewhere.post("/auth/v1/identities", json={"email": email, "password": "of somebody else"})
        if way == "again":
            await auth.http.post("/auth/v1/verifications", json={"email": email})
        mail = await auth.mailed(email)
        if way == "code":
            confirmed = await auth.http.post("/auth/v1/email-verifications", json={"email": email, "code": mail.code})
        else:
            confirmed = await auth.http.post(f"{mail.link}/confirmation")
        assert confirmed.status_code == 204
        assert (await auth.sign_in(email, "of somebody else")).status_code == 401, way
        assert (await auth.sign_in(email)).status_code == 401, way
    await auth.http.post("/auth/v1/password-resets", json={"email": email})
    reset = (await auth.sent("PASSWORD_RESET"))[0].link
    assert (await auth.http.put(f"{reset}/password", json={"password": auth.password})).status_code == 204
    assert (await auth.sign_in(email)).status_code == 201, "he sets one by a mail"


async def test_a_password_is_not_taken_from_elsewhere_once_the_first_mail_has_ended(auth: "Auth") -> None:
    """Whoever comes back to a mail that has ended, and asks for another one, confirms no stranger's password by it."""
    await auth.register()
    auth.clock.advance(hours=2)
    async with _stranger(auth) as elsewhere:
        await elsewhere.post("/auth/v1/identities", json={"email": "ada@example.com", "password": "of somebody else"})
    await auth.http.post("/auth/v1/verifications", json={"email": "ada@example.com"})
    assert (await auth.http.post(f"{(await auth.mailed()).link}/confirmation")).status_code == 204
    assert (await auth.sign_in(password="of somebody else")).status_code == 401


@pytest.mark.parametrize("way", ["invited", "invited afterwards", "brought in"])
async def test_an_account_that_others_have_prepared_takes_no_password_from_a_registration(
    auth: "Auth", way: str
) -> None:
    """Rights may wait for its owner, who gets mails of both kinds and cannot tell them apart."""
    email = "grace@example.com"
    if way == "invited afterwards":
        async with _stranger(auth) as elsewhere:
            await elsewhere.post("/auth/v1/identities", json={"email": email, "password": "of somebody else"})
    earlier = await auth.mailed(email) if way == "invited afterwards" else None
    if way == "brought in":
        line = read_line(1, json.dumps({"email": email, "password_hash": hash_secret(auth.password)}).encode())
        wired = auth.application.state.components
        await take_in(wired.database, wired.outbox, [line], operator="olga", now=auth.clock(), dry_run=False)
    else:
        headers = auth.as_bearer(await auth.operator_token())
        await auth.http.post("/auth/v1/invitations", json={"email": email}, headers=headers)
    async with _stranger(auth) as elsewhere:
        for _ in range(2):
            await elsewhere.post("/auth/v1/verifications", json={"email": email})
            await elsewhere.post("/auth/v1/identities", json={"email": email, "password": "of somebody else"})
    mail = earlier or await auth.mailed(email)
    assert (await auth.http.post(f"{mail.link}/confirmation")).status_code == 204
    assert (await auth.sign_in(email, "of somebody else")).status_code == 401
    assert (await auth.sign_in(email)).status_code == (201 if way == "brought in" else 401), "his own stays"


def _stranger(auth: "Auth") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(auth.application, client=("198.51.100.7", 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://auth.test")


async def test_many_at_once_make_one_identity(auth: "Auth", another_auth: "Auth") -> None:
    answers = await asyncio.gather(*((auth, another_auth)[n % 2].register() for n in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert await auth.rows("SELECT count(*) FROM identities") == [{"count": 1}]
    registered = await auth.rows("SELECT count(*) FROM outbox WHERE type = :type", type=IdentityRegistered.type)
    assert registered == [{"count": 1}]


async def test_many_at_once_share_no_username(auth: "Auth") -> None:
    answers = await asyncio.gather(*(auth.register(f"ada{n}@example.com", username="ada") for n in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert await auth.rows("SELECT count(*), count(username) AS named FROM identities") == [{"count": 5, "named": 1}]


@pytest.mark.parametrize("address_is_known", [True, False])
async def test_a_username_does_not_tell_whether_an_address_is_known(auth: "Auth", address_is_known: bool) -> None:
    if address_is_known:
        await auth.verified("victim@example.com")
    await auth.register("before@example.com", username="probe")
    before = await auth.mailed("before@example.com")
    answers = [await auth.register(f"{name}@example.com", username="probe") for name in ("victim", "after")]
    assert [answer.status_code for answer in answers] == [202, 202]
    await auth.http.post(f"{before.link}/confirmation")
    names = await auth.rows("SELECT email, username FROM identities WHERE email ~ '^(before|after)' ORDER BY email")
    assert [row["username"] for row in names] == ["probe", None]


async def test_a_verified_username_is_taken(auth: "Auth") -> None:
    await auth.verified("ada@example.com", username="ada")
    answer = await auth.register("bob@example.com", username="Ada")
    assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")
    [event] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=EmailVerified.type)
    assert EmailVerified.read(event["data"]).username == "ada"


async def test_mails_to_one_address_are_limited(auth: "Auth") -> None:
    answers = [await auth.register() for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert answers[-1].headers["Retry-After"] == "300"
    assert (await auth.register("bob@example.com")).status_code == 202


async def test_a_network_is_limited_before_anybody_is_asked_about_what_it_sends(auth: "Auth") -> None:
    """Rating a password, and asking a name server about a domain, cost more than all else."""
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 2 WHERE endpoint = 'registration'")
    answers = [await auth.register(f"ada{n}@example.com", password="password") for n in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 429]
    async with _stranger(auth) as elsewhere:
        body = {"email": "ada0@example.com", "password": auth.password}
        answer = await elsewhere.post("/auth/v1/identities", json=body)
    assert answer.status_code == 202
    assert answer.headers["RateLimit"].startswith('"registration";r=1;'), "the tighter of the two"
    mails = await auth.rows("SELECT key FROM rate_limits WHERE key_type = 'EMAIL' ORDER BY key")
    counted = [
        "email_verification EMAIL mail ada0@example.com@",
        "email_verification_unknown_networks EMAIL ada0@example.com",
    ]
    assert len(mails) == 2 and all(map(str.startswith, (row["key"] for row in mails), counted)), "what is mailed counts"


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
    GOOD | {"name": "Ada\u202emoc.elgoog"},
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


async def test_once_verified_only_the_identity_has_a_password_hash(auth: "Auth") -> None:
    await auth.register()
    await auth.register(password="another password entirely")
    await auth.verified()
    for column in ("auth_tokens.metadata", "two_factor_challenges.context"):
        table, name = column.split(".")
        [kept] = await auth.rows(f"SELECT count(*) FROM {table} WHERE {name} ? 'password_hash'")
        assert kept["count"] == 0, column


async def test_a_password_that_is_easy_to_guess_is_refused_with_advice_and_tells_nothing_of_the_address(
    auth: "Auth",
) -> None:
    await auth.verified("ada@example.com")
    before = await auth.counts()
    answers = [
        await auth.register(email, name="Ada Lovelace", password="lovelace1") for email in ("ada@example.com", "b@c.de")
    ]
    for answer in answers:
        assert answer.status_code == 422
        first = answer.json()["errors"][0]
        assert (first["field"], first["code"]) == ("/password", "password_weak")
        assert "lovelace" not in answer.text.lower()
    assert answers[0].json()["errors"] == answers[1].json()["errors"]
    assert await auth.counts() == before


@pytest.mark.parametrize(
    ("password", "code"),
    [("short", "password_too_short"), ("x" * 257, "password_too_long"), ("iloveyou", "password_common")],
)
async def test_a_refused_password_says_why_in_a_word_for_programs(auth: "Auth", password: str, code: str) -> None:
    [error] = (await auth.register(password=password)).json()["errors"]
    assert (error["field"], error["code"]) == ("/password", code)
