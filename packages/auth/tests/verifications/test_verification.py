"""Verifying an address: by link or by code, once, and never by looking."""

import asyncio
from typing import TYPE_CHECKING

from orion_contracts.events import EmailVerificationRequested, EmailVerified

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

VERIFIED = "SELECT count(*) FROM outbox WHERE type = :type"


async def status_of(auth: "Auth") -> str:
    [row] = await auth.rows("SELECT status::text FROM identities")
    return row["status"]


async def test_opening_the_link_shows_a_button_and_changes_nothing(auth: "Auth") -> None:
    await auth.register()
    link = (await auth.mailed()).link
    before = await auth.rows("SELECT * FROM auth_tokens")
    assert (await auth.http.head(link)).status_code == 200
    page = await auth.http.get(link)
    assert page.status_code == 200
    assert "<form method=" in page.text
    assert "http" not in page.text, "nothing is loaded from anywhere"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert await auth.rows("SELECT * FROM auth_tokens") == before
    assert await status_of(auth) == "PENDING"


async def test_the_button_verifies(auth: "Auth") -> None:
    await auth.register()
    link = (await auth.mailed()).link
    page = await auth.http.post(f"{link}/confirmation", headers={"Accept": "text/html,*/*"})
    assert page.status_code == 200
    assert "is verified" in page.text
    assert await status_of(auth) == "ACTIVE"
    assert await auth.rows(VERIFIED, type=EmailVerified.type) == [{"count": 1}]
    used = await auth.http.get(link)
    assert used.status_code == 410
    assert "used already" in used.text


async def test_of_many_presses_one_verifies(auth: "Auth", another_auth: "Auth") -> None:
    await auth.register()
    link = (await auth.mailed()).link
    presses = [(auth, another_auth)[n % 2].http.post(f"{link}/confirmation") for n in range(8)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*presses))
    assert statuses == [204] + [410] * 7
    assert await auth.rows(VERIFIED, type=EmailVerified.type) == [{"count": 1}]


async def test_two_links_and_a_code_verify_once(auth: "Auth") -> None:
    await auth.register()
    first = await auth.mailed()
    await auth.http.post("/auth/v1/verifications", json={"email": "ada@example.com"})
    second = await auth.mailed()
    ways = [
        auth.http.post(f"{first.link}/confirmation"),
        auth.http.post(f"{second.link}/confirmation"),
        auth.http.post("/auth/v1/email-verifications", json={"email": "ada@example.com", "code": second.code}),
    ]
    answers = await asyncio.gather(*ways)
    assert [answer.status_code for answer in answers].count(204) == 1
    assert await auth.rows(VERIFIED, type=EmailVerified.type) == [{"count": 1}]


async def test_mails_that_are_confirmed_at_once_do_not_keep_each_other(auth: "Auth", another_auth: "Auth") -> None:
    """Each takes the passwords off the others: in whatever order that is, nobody is told to try again."""
    mails = [await auth.mailed() for _ in range(4) if await auth.register()]
    by_code = {"email": "ada@example.com", "code": mails[-1].code}
    answers = await asyncio.gather(
        *((auth, another_auth)[n % 2].http.post(f"{mail.link}/confirmation") for n, mail in enumerate(mails * 2)),
        another_auth.http.post("/auth/v1/email-verifications", json=by_code),
    )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 410, 422}


async def test_a_link_ends(auth: "Auth") -> None:
    await auth.register()
    link = (await auth.mailed()).link
    auth.clock.advance(hours=1)
    assert (await auth.http.get(link)).status_code == 410
    assert (await auth.http.post(f"{link}/confirmation")).status_code == 410
    assert await status_of(auth) == "PENDING"


async def test_made_up_links(auth: "Auth") -> None:
    for token in ("x", "a" * 22 + "." + "b" * 43, "%2e%2e", "<script>", "a" * 500):
        page = await auth.http.get(f"/auth/v1/verifications/{token}")
        press = await auth.http.post(f"/auth/v1/verifications/{token}/confirmation")
        assert {page.status_code, press.status_code} <= {404, 405, 410, 422}, token
        assert "<script>" not in page.text + press.text


async def test_a_link_does_not_verify_an_address_that_was_changed(auth: "Auth") -> None:
    await auth.register()
    link = (await auth.mailed()).link
    await auth.execute("UPDATE identities SET email = 'eve@example.com'")
    assert (await auth.http.post(f"{link}/confirmation")).status_code == 410
    assert await status_of(auth) == "PENDING"


async def test_the_code_verifies(auth: "Auth") -> None:
    await auth.register()
    body = {"email": "Ada@example.com", "code": (await auth.mailed()).code}
    assert (await auth.http.post("/auth/v1/email-verifications", json=body)).status_code == 204
    assert await status_of(auth) == "ACTIVE"
    assert (await auth.http.post("/auth/v1/email-verifications", json=body)).status_code == 422


async def test_guesses_are_counted_in_the_challenge_itself(auth: "Auth") -> None:
    """With the rate limit out of the way, five wrong tries still close the code."""
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    await auth.register()
    code = (await auth.mailed()).code
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    guesses = [{"email": "ada@example.com", "code": wrong} for _ in range(8)]
    answers = await asyncio.gather(*(auth.http.post("/auth/v1/email-verifications", json=guess) for guess in guesses))
    assert {answer.status_code for answer in answers} == {422}
    assert await auth.rows("SELECT attempts FROM two_factor_challenges") == [{"attempts": 5}]
    right = {"email": "ada@example.com", "code": code}
    assert (await auth.http.post("/auth/v1/email-verifications", json=right)).status_code == 422
    assert await status_of(auth) == "PENDING"


async def test_guesses_are_limited_per_address(auth: "Auth") -> None:
    guess = {"email": "nobody@example.com", "code": "000000"}
    tries = [await auth.http.post("/auth/v1/email-verifications", json=guess) for _ in range(6)]
    assert [each.status_code for each in tries] == [422] * 5 + [429]
    assert tries[0].headers["RateLimit"].startswith('"email_verification";r=4;')


async def test_only_the_newest_code_counts(auth: "Auth") -> None:
    await auth.register()
    first = (await auth.mailed()).code
    await auth.http.post("/auth/v1/verifications", json={"email": "ada@example.com"})
    second = (await auth.mailed()).code
    for code, status in ((first, 422), (second, 204)):
        if first != second:
            body = {"email": "ada@example.com", "code": code}
            assert (await auth.http.post("/auth/v1/email-verifications", json=body)).status_code == status


async def test_asking_again_tells_nothing(auth: "Auth") -> None:
    await auth.register()
    await auth.verified("bob@example.com")
    requests = ("ada@example.com", "bob@example.com", "nobody@example.com", "no address")
    answers = [await auth.http.post("/auth/v1/verifications", json={"email": email}) for email in requests]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
    assert await auth.rows(VERIFIED, type=EmailVerificationRequested.type) == [{"count": 3}]
