"""Coming in by a mail: its code for whoever asked for it, its link for whoever reads it, either once."""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ADA = "ada@example.com"


async def ask(auth: "Auth", email: str = ADA) -> dict[str, Any]:
    answer = await auth.http.post("/auth/v1/sign-in-mails", json={"email": email})
    assert answer.status_code == 202
    return answer.json()


async def by_code(auth: "Auth", sign_in: str, code: str | None) -> Any:
    return await auth.http.post("/auth/v1/email-code-sessions", json={"sign_in": sign_in, "code": code})


async def by_link(auth: "Auth", token: str) -> Any:
    return await auth.http.post("/auth/v1/magic-link-sessions", json={"token": token})


async def test_the_code_lets_in_whoever_asked_for_the_mail(auth: "Auth") -> None:
    user_id = await auth.verified()
    asked = await ask(auth)
    [secrets] = await auth.sent("SIGN_IN")
    answer = await by_code(auth, asked["sign_in"], secrets.code)
    assert answer.status_code == 201
    assert answer.json()["user_id"] == str(user_id)
    [attempt] = await auth.rows("SELECT method::text, status::text, email FROM login_attempts")
    assert attempt == {"method": "EMAIL_CODE", "status": "SUCCESS", "email": ADA}
    assert (await by_code(auth, asked["sign_in"], secrets.code)).status_code == 401, "a code is good once"


async def test_the_link_lets_in_once_and_then_the_code_is_dead_too(auth: "Auth", another_auth: "Auth") -> None:
    await auth.verified()
    asked = await ask(auth)
    [secrets] = await auth.sent("SIGN_IN")
    assert secrets.link is not None
    address, token = secrets.link.split("#token=")
    assert address == "http://app.test/sign-in"
    presses = await asyncio.gather(*(by_link((auth, another_auth)[n % 2], token) for n in range(6)))
    assert sorted(answer.status_code for answer in presses) == [201] + [401] * 5
    assert (await by_code(auth, asked["sign_in"], secrets.code)).status_code == 401


async def test_a_known_and_an_unknown_address_get_the_same_answer(auth: "Auth") -> None:
    await auth.verified()
    known, unknown = await ask(auth), await ask(auth, "nobody@example.com")
    assert known | {"sign_in": ""} == unknown | {"sign_in": ""}
    assert len(known["sign_in"]) == len(unknown["sign_in"])
    wrong = [await by_code(auth, asked["sign_in"], "000000") for asked in (known, unknown)]
    assert wrong[0].status_code == wrong[1].status_code == 401
    assert wrong[0].json() | {"instance": ""} == wrong[1].json() | {"instance": ""}
    assert all(each.headers["RateLimit"].startswith('"sign_in_mail"') for each in wrong)
    assert len(await auth.sent("SIGN_IN")) == 1


async def test_a_code_without_the_handle_of_whoever_asked_is_worthless(auth: "Auth") -> None:
    await auth.verified()
    asked = await ask(auth)
    [secrets] = await auth.sent("SIGN_IN")
    selector = asked["sign_in"].split(".")[0]
    assert (await by_code(auth, f"{selector}.{'A' * 43}", secrets.code)).status_code == 401
    assert (await by_link(auth, asked["sign_in"])).status_code == 401, "the handle is not the link"


async def test_five_guesses_and_the_right_code_comes_too_late(auth: "Auth", another_auth: "Auth") -> None:
    await auth.verified()
    asked = await ask(auth)
    [secrets] = await auth.sent("SIGN_IN")
    wrong = f"{(int(secrets.code or 0) + 1) % 1_000_000:06d}"
    await asyncio.gather(*(by_code((auth, another_auth)[n % 2], asked["sign_in"], wrong) for n in range(5)))
    assert (await by_code(auth, asked["sign_in"], secrets.code)).status_code == 401
    [row] = await auth.rows("SELECT usage_count FROM auth_tokens WHERE type = 'MAGIC_LINK'")
    assert row["usage_count"] == 5


async def test_a_mail_is_good_for_ten_minutes_and_until_the_next(auth: "Auth") -> None:
    await auth.verified()
    first = await ask(auth)
    second = await ask(auth)
    newest, oldest = await auth.sent("SIGN_IN")
    assert (await by_code(auth, first["sign_in"], oldest.code)).status_code == 401, "superseded"
    auth.clock.advance(minutes=10, seconds=1)
    assert (await by_code(auth, second["sign_in"], newest.code)).status_code == 401, "too late"


async def test_no_mail_for_who_may_not_come_in(auth: "Auth") -> None:
    await auth.register("pending@example.com")
    await auth.verified()
    await auth.execute("UPDATE identities SET status = 'SUSPENDED' WHERE email = :email", email=ADA)
    await ask(auth)
    await ask(auth, "pending@example.com")
    assert await auth.sent("SIGN_IN") == []


async def test_a_good_mail_of_who_may_not_come_in_is_written_down(auth: "Auth") -> None:
    await auth.verified()
    asked = await ask(auth)
    [secrets] = await auth.sent("SIGN_IN")
    await auth.execute("UPDATE identities SET status = 'SUSPENDED'")
    assert (await by_code(auth, asked["sign_in"], secrets.code)).status_code == 401
    [attempt] = await auth.rows("SELECT status::text, failure_reason, email FROM login_attempts")
    assert attempt == {"status": "BLOCKED", "failure_reason": "SUSPENDED", "email": ADA}


async def test_mails_to_one_address_are_limited_whoever_asks(auth: "Auth") -> None:
    for _ in range(3):
        await ask(auth, "nobody@example.com")
    refused = await auth.http.post("/auth/v1/sign-in-mails", json={"email": "NOBODY@example.com"})
    assert refused.status_code == 429
    assert "Retry-After" in refused.headers


async def test_what_was_never_mailed_is_tried_and_written_down_so_often_by_one_network(auth: "Auth") -> None:
    await auth.verified()
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 4 WHERE endpoint = 'sign_in_mail'")
    for _ in range(3):
        asked = await ask(auth)
        secrets = (await auth.sent("SIGN_IN"))[0]
        assert (await by_code(auth, asked["sign_in"], secrets.code)).status_code == 201, "what is good counts nowhere"
        auth.clock.advance(minutes=6)
    for turn in range(4):
        way = by_link(auth, f"{turn:040}.{'A' * 43}") if turn % 2 else by_code(auth, f"{turn:040}.{'A' * 43}", "000000")
        assert (await way).status_code == 401
    asked, secrets = await ask(auth), (await auth.sent("SIGN_IN"))[0]
    refused = [await by_code(auth, asked["sign_in"], secrets.code), *[await by_link(auth, "x") for _ in range(12)]]
    assert {answer.status_code for answer in refused} == {429}
    attempts = await auth.rows("SELECT failure_reason, count(*) FROM login_attempts GROUP BY 1 ORDER BY 1")
    assert {row["failure_reason"]: row["count"] for row in attempts} == {
        None: 3,
        "DEAD_LINK": 2,
        "WRONG_CODE": 2,
        "RATE_LIMITED": 10,
    }


async def test_neither_code_nor_token_is_stored(auth: "Auth") -> None:
    await auth.verified()
    asked = await ask(auth)
    [secrets] = await auth.sent("SIGN_IN")
    assert secrets.link is not None
    [row] = await auth.rows("SELECT t::text AS text FROM auth_tokens t WHERE type = 'MAGIC_LINK'")
    for secret in (asked["sign_in"].split(".")[1], secrets.link.split(".")[-1], f'"{secrets.code}"'):
        assert secret not in row["text"]


async def test_whoever_is_not_to_be_remembered_gets_a_short_session_by_either_way(auth: "Auth") -> None:
    await auth.verified()
    for path in ("email-code-sessions", "magic-link-sessions"):
        asked = await ask(auth)
        secrets = (await auth.sent("SIGN_IN"))[0]
        body = {"sign_in": asked["sign_in"], "code": secrets.code}
        if path == "magic-link-sessions":
            body = {"token": (secrets.link or "").split("#token=")[1]}
        session = await auth.http.post(f"/auth/v1/{path}", json=body | {"remember": False})
        assert session.json()["refresh_expires_in"] == 3600, "an hour without use"
