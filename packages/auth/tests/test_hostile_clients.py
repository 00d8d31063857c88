"""What a client may try that is no client: each gets its documented answer, and nothing is changed by it."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from orion_contracts.events import EmailVerificationRequested

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

SIGN_IN = "/auth/v1/sessions"
GUESS = {"email": "ada@example.com", "password": "wrong password"}

SPELLINGS = [
    "ADA@example.com",
    "ada@EXAMPLE.COM",
    " ada@example.com",
    "ada@example.com ",
    "\tada@example.com\n",
    "\u00a0ada@example.com\u3000",
    "ada@ｅｘａｍｐｌｅ.com",
    "ada@example。com",
]
"""Of one and the same address: in other cases, with spaces around it, with other forms of its letters."""


async def test_another_spelling_of_an_address_is_no_further_try(auth: "Auth") -> None:
    await auth.verified()
    answers = [await auth.http.post(SIGN_IN, json=GUESS | {"email": each}) for each in SPELLINGS]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * (len(SPELLINGS) - 5)
    recorded = await auth.rows("SELECT DISTINCT email FROM login_attempts WHERE failure_reason = 'WRONG_PASSWORD'")
    assert recorded == [{"email": "ada@example.com"}]


@pytest.mark.parametrize("path", ["password-resets", "sign-in-mails", "verifications"])
async def test_another_spelling_of_an_address_is_no_further_mail(auth: "Auth", path: str) -> None:
    await auth.verified()
    answers = [await auth.http.post(f"/auth/v1/{path}", json={"email": each}) for each in SPELLINGS]
    sent = [answer.status_code for answer in answers].count(202)
    assert 0 < sent <= 5 and answers[-1].status_code == 429


LOOK_ALIKES = ["аda@example.com", "ada@exаmple.com", "adа@example.com", "ada\u200b@example.com", "ada@example.co\u043c"]
"""Written with letters of other alphabets, or with some that nobody sees."""


@pytest.mark.parametrize("email", LOOK_ALIKES)
async def test_an_address_that_only_looks_like_hers_is_not_hers(auth: "Auth", email: str) -> None:
    await auth.verified()
    before = await auth.rows("SELECT * FROM identities WHERE email = 'ada@example.com'")
    registered = await auth.register(email)
    assert registered.status_code in (202, 422)
    if registered.status_code == 202:
        query = "SELECT data->>'email' AS email FROM outbox WHERE type = :type ORDER BY sequence DESC LIMIT 1"
        [mail] = await auth.rows(query, type=EmailVerificationRequested.type)
        assert "xn--" in mail["email"], "the domain is shown as what it is"
    for path in ("password-resets", "sign-in-mails"):
        await auth.http.post(f"/auth/v1/{path}", json={"email": email})
    assert await auth.sent("PASSWORD_RESET") + await auth.sent("SIGN_IN") in ([], await auth.sent("PASSWORD_RESET"))
    assert await auth.rows("SELECT * FROM identities WHERE email = 'ada@example.com'") == before
    assert await auth.rows("SELECT * FROM password_resets WHERE email = 'ada@example.com'") == []
    assert (await auth.sign_in(email)).status_code == 401


RAW: list[tuple[bytes, int]] = [
    (b"", 422),
    (b"{", 400),
    (b"[]", 422),
    (b"null", 422),
    (b'"ada"', 422),
    (b"[" * 100_000, 400),
    (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, 400),
    (b'{"email": "ada@example.com", "password": "\\ud800wrong password"}', 422),
    (b'{"email": "ada@example.com", "password": "wrong\\u0000password"}', 422),
    (b'{"email": "ada@example.com", "password": "\xff\xfe"}', 400),
    (b'{"email": "ada@example.com", "password": "wrong password", "remember": 1e400}', 422),
    (b'{"email": "ada@example.com", "password": "wrong password", "remember": ' + b"9" * 5000 + b"}", 400),
    (b'{"email": "ada@example.com", "password": "wrong password", "__proto__": {}}', 422),
    (b'{"email": {"$ne": null}, "password": {"$ne": null}}', 422),
    (b'{"email": ["ada@example.com"], "password": true}', 422),
    (b'{"email": "ada@example.com", "password": NaN}', 422),
]


async def test_a_body_that_is_none_is_told_so_and_is_no_try(auth: "Auth") -> None:
    for body, status in RAW:
        answer = await auth.http.post(SIGN_IN, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status, (body[:80], answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert await auth.rows("SELECT * FROM login_attempts") == []


async def test_of_a_name_given_twice_one_value_counts_everywhere(auth: "Auth") -> None:
    """The last one (RFC 8259 §4 leaves it open): what is limited, checked and recorded is one and the same."""
    await auth.verified()
    await auth.verified("eve@example.com", username="eve")
    body = f'{{"email": "ada@example.com", "password": "{auth.password}", "email": "eve@example.com"}}'
    answer = await auth.http.post(SIGN_IN, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    [attempt] = await auth.rows("SELECT email, user_id FROM login_attempts")
    [eve] = await auth.rows("SELECT id FROM identities WHERE username = 'eve'")
    assert attempt == {"email": "eve@example.com", "user_id": eve["id"]}
    assert answer.json()["user_id"] == str(eve["id"])


TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", None]
"""What a page of somebody else's can have a browser send without asking us first (Fetch standard, CORS-safelisted)."""


@pytest.mark.parametrize("content_type", TYPES)
async def test_a_body_that_is_not_called_json_is_not_read_as_json(auth: "Auth", content_type: str | None) -> None:
    await auth.verified()
    body = json.dumps({"email": "ada@example.com", "password": auth.password})
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await auth.http.post(SIGN_IN, content=body.encode(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), content_type
    assert await auth.rows("SELECT * FROM login_attempts") == []


async def test_nothing_is_done_for_another_origin(auth: "Auth") -> None:
    """auth sends no CORS header: whoever wants browsers of another origin to call it has a proxy say so."""
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    asked = await auth.http.options(SIGN_IN, headers=headers)
    sent = await auth.http.post(SIGN_IN, json=GUESS, headers=headers)
    for answer in (asked, sent):
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert asked.status_code == 405
    assert sent.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_a_method_is_what_it_is_whatever_a_header_says(auth: "Auth") -> None:
    await auth.verified()
    session = (await auth.sign_in()).json()
    override = dict.fromkeys(("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"), "DELETE")
    headers = auth.as_bearer(session["access_token"]) | override
    assert (await auth.http.get("/auth/v1/sessions/current?_method=DELETE", headers=headers)).status_code == 200
    refused = await auth.http.post("/auth/v1/sessions/current", headers=headers)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "DELETE, GET")
    assert (await auth.http.get("/auth/v1/sessions/current", headers=headers)).status_code == 200


async def test_links_in_mails_lead_to_us_whatever_host_was_asked(auth: "Auth") -> None:
    await auth.verified()
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    headers |= {"X-Forwarded-Proto": "gopher", "X-Original-URL": "/evil", "Referer": "https://evil.example/"}
    body = {"email": "ada@example.com"}
    await auth.http.post("/auth/v1/password-resets", json=body, headers=headers)
    await auth.http.post("/auth/v1/sign-in-mails", json=body, headers=headers)
    links = [(await auth.sent(purpose))[0].link or "" for purpose in ("PASSWORD_RESET", "SIGN_IN")]
    assert [link.split("/")[2] for link in links] == ["auth.test", "app.test"]


async def test_a_token_stands_in_the_header_and_nowhere_else(auth: "Auth") -> None:
    """Not in the URL, which is logged, and not in a cookie, which a browser adds by itself (RFC 6750 §2.3)."""
    await auth.verified()
    token = (await auth.sign_in()).json()["access_token"]
    path = "/auth/v1/sessions/current"
    tries: list[dict[str, Any]] = [
        {"url": f"{path}?access_token={token}"},
        {"url": path, "headers": {"Cookie": f"access_token={token}; token={token}; Authorization=Bearer {token}"}},
        {"url": path, "headers": {"X-Access-Token": token, "Proxy-Authorization": f"Bearer {token}"}},
        {"url": path, "headers": {"Authorization": f"Basic {token}"}},
        {"url": path, "headers": {"Authorization": token}},
        {"url": path, "headers": [("Authorization", f"Bearer {token}x"), ("Authorization", f"Bearer {token}")]},
    ]
    for each in tries:
        assert (await auth.http.request("DELETE", **each)).status_code == 401, each["url"][:40]
    assert (await auth.http.get(path, headers=auth.as_bearer(token))).status_code == 200


async def test_no_answer_hands_out_a_cookie_that_lets_somebody_in(auth: "Auth") -> None:
    await auth.verified()
    session = await auth.sign_in()
    renewed = await auth.refresh(session.json()["refresh_token"])
    assert "Set-Cookie" not in session.headers and "Set-Cookie" not in renewed.headers
    assert session.headers["Cache-Control"] == renewed.headers["Cache-Control"] == "no-store"


BELLS = "Ada\r\nBcc: everybody@example.com", "Ada\nSubject: x", "Ada\u0085x", "Ada\x1b[2J"


async def test_nothing_that_somebody_types_becomes_a_header_of_a_mail(auth: "Auth") -> None:
    operator = auth.as_bearer(await auth.operator_token())
    for name in BELLS:
        assert (await auth.register(name=name)).status_code == 422, ascii(name)
        body = {"email": "grace@example.com", "name": name}
        assert (await auth.http.post("/auth/v1/invitations", json=body, headers=operator)).status_code == 422
    for email in ("ada@example.com\r\nBcc: eve@example.com", "ada@example.com,eve@example.com", "<ada@example.com>"):
        assert (await auth.register(email)).status_code == 422, ascii(email)
    assert set((await auth.counts()).values()) == {0}
