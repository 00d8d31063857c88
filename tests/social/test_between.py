"""Somebody between auth and a real OpenID Connect server, who alters what the server answers: nobody comes in by it."""

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.social.conftest import CONNECTION

from orion_core.http.embedded import serving

if TYPE_CHECKING:
    from tests.social.conftest import Auth

pytestmark = pytest.mark.slow

DISCOVERY, TOKEN, KEYS, USERINFO = "/.well-known/openid-configuration", "/token", "/jwks", "/me"
HUGE = 30_000_000

Alter = Callable[["Between", dict[str, Any]], Any]
"""What is passed on in place of an answer."""


@dataclass
class Between:
    """Whoever has got in between. Under a path of its own for each case, so that nothing is remembered of another."""

    server: str
    url: str = ""
    alters: dict[str, Mapping[str, Alter]] = field(default_factory=dict[str, Mapping[str, Alter]])
    """By case and path."""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "ours", "alg": "RS256"}))
    seen: list[str] = field(default_factory=list[str])
    """ID tokens of the server."""
    asked: list[str] = field(default_factory=list[str])

    async def relay(self, request: Request) -> Response:
        """Ask the server the same, and pass its answer on, altered."""
        case, path = request.path_params["case"], f"/{request.path_params['path']}"
        self.asked.append(f"{case}{path}")
        headers = {name: request.headers[name] for name in ("authorization", "content-type") if name in request.headers}
        async with httpx.AsyncClient() as client:
            body = await request.body()
            answer = await client.request(request.method, self.server + path, content=body, headers=headers)
        told = answer.json()
        if path == DISCOVERY:
            for name in ("token_endpoint", "jwks_uri", "userinfo_endpoint"):
                told[name] = told[name].replace(self.server, f"{self.url}/{case}")
        if path == TOKEN:
            self.seen.append(told["id_token"])
        alter = self.alters[case].get(path)
        told = alter(self, told) if alter is not None else told
        return told if isinstance(told, Response) else JSONResponse(told, answer.status_code)


def encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).decode().rstrip("=")


def decoded(part: str) -> Any:
    return json.loads(urlsafe_b64decode(part + "=="))


def id_token(make: Callable[[Between, list[str]], str]) -> dict[str, Alter]:
    """Another ID token, made from the three parts of the server's."""

    def alter(between: Between, told: dict[str, Any]) -> dict[str, Any]:
        return told | {"id_token": make(between, told["id_token"].split("."))}

    return {TOKEN: alter}


def another_signature(_: Between, parts: list[str]) -> str:
    middle = len(parts[2]) // 2
    other = "A" if parts[2][middle] != "A" else "B"
    return ".".join([*parts[:2], parts[2][:middle] + other + parts[2][middle + 1 :]])


def another_subject(_: Between, parts: list[str]) -> str:
    return ".".join([parts[0], encoded(json.dumps(decoded(parts[1]) | {"sub": "eve"}).encode()), parts[2]])


def none(_: Between, parts: list[str]) -> str:
    return f"{encoded(json.dumps(decoded(parts[0]) | {'alg': 'none'}).encode())}.{parts[1]}."


def earlier(between: Between, _: list[str]) -> str:
    return between.seen[0]


def our_keys(between: Between, _: dict[str, Any]) -> dict[str, Any]:
    return {"keys": [between.key.as_dict(private=False)]}


def our_keys_under_their_names(between: Between, told: dict[str, Any]) -> dict[str, Any]:
    ours = between.key.as_dict(private=False)
    return {"keys": [ours | {"kid": key["kid"]} for key in told["keys"]]}


def lately(claims: dict[str, Any]) -> int:
    """Longer ago than clocks may differ."""
    return claims["iat"] - 100


def resigned(**changes: Any) -> dict[str, Alter]:
    """The server's claims but for `changes`, signed with a key that is told as the server's: only they are bad."""

    def sign(between: Between, parts: list[str]) -> str:
        claims = decoded(parts[1])
        made = {name: change(claims) if callable(change) else change for name, change in changes.items()}
        payload = json.dumps(claims | made).encode()
        return jws.serialize_compact({"alg": "RS256", "kid": "ours"}, payload, between.key, algorithms=["RS256"])

    return {**id_token(sign), KEYS: our_keys}


def changed(**changes: Any) -> Alter:
    return lambda _, told: told | changes


def long(seconds: float, part: bytes) -> Alter:
    """An answer of so many bytes at a time, up to `HUGE` of them."""

    def alter(_: Between, __: dict[str, Any]) -> Response:
        async def parts() -> AsyncGenerator[bytes]:
            for _ in range(HUGE // len(part)):
                yield part
                await asyncio.sleep(seconds)

        return StreamingResponse(parts(), media_type="application/json")

    return alter


huge, endless = long(0, b" " * 65_536), long(0.05, b" ")

HOSTILE: list[tuple[str, Mapping[str, Alter], str]] = [
    ("nothing", {USERINFO: changed(sub="eve", email="eve@example.com")}, "WRONG_SUBJECT"),
    ("signature", id_token(another_signature), "ID_TOKEN_SIGNATURE"),
    ("claims", id_token(another_subject), "ID_TOKEN_SIGNATURE"),
    ("none", id_token(none), "ID_TOKEN_ALGORITHM"),
    ("replayed", id_token(earlier), "ID_TOKEN_NONCE"),
    ("nonce", resigned(nonce="another"), "ID_TOKEN_NONCE"),
    ("audience", resigned(aud="another"), "ID_TOKEN_AUDIENCE"),
    ("issuer", resigned(iss="https://evil.example"), "ID_TOKEN_ISSUER"),
    ("expired", resigned(exp=lately), "ID_TOKEN_EXPIRED"),
    ("keys", {KEYS: our_keys}, "ID_TOKEN_SIGNATURE"),
    ("named-keys", {KEYS: our_keys_under_their_names}, "ID_TOKEN_SIGNATURE"),
    ("huge", {TOKEN: huge}, "TOO_LARGE"),
    ("huge-keys", {KEYS: huge}, "TOO_LARGE"),
    ("huge-userinfo", {USERINFO: huge}, "TOO_LARGE"),
    ("endless", {TOKEN: endless}, "TOO_SLOW"),
]
"""What is altered, and what the attempt is recorded to have failed by."""

HONEST: list[tuple[str, Mapping[str, Alter]]] = [("as-it-is", {}), ("resigned", resigned())]
"""What lets somebody in, so that it is nothing else that keeps the others out."""

WRITTEN = """
    SELECT
      (SELECT count(*) FROM identities) AS identities, (SELECT count(*) FROM oauth_providers) AS linked,
      (SELECT count(*) FROM auth_tokens) AS tokens,
      (SELECT count(*) FROM oauth_flows WHERE status <> 'RETURNED') AS open
"""


@pytest.fixture
async def between(issuer: str) -> AsyncGenerator[Between]:
    """In between auth and the server."""
    somebody = Between(issuer)
    routes = [Route("/{case}/{path:path}", somebody.relay, methods=["GET", "POST"])]
    async with serving(Starlette(routes=routes), "127.0.0.1", 0) as port:
        somebody.url = f"http://127.0.0.1:{port}"
        yield somebody


async def go_by(auth: "Auth", between: Between, case: str, alters: Mapping[str, Alter]) -> None:
    """Have auth ask the server by way of whoever is in between."""
    between.alters[case] = alters
    elsewhere = {"discovery_url": f"{between.url}/{case}{DISCOVERY}", "client_secret": CONNECTION["client_secret"]}
    await auth.change("example", **elsewhere)


async def test_nothing_that_is_altered_on_the_way_lets_anybody_in(
    auth: "Auth", between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    await auth.connect("example", between.server)
    for case, alters, reason in HOSTILE:
        await go_by(auth, between, case, alters)
        if case == "endless":
            monkeypatch.setattr(auth.application.state.components.providers._http, "_seconds", 1)
        assert (await auth.journey("example", "ada")).get("error") == "provider_failed", case
        [attempt] = await auth.rows("SELECT status::text, failure_reason FROM login_attempts ORDER BY id DESC LIMIT 1")
        assert attempt == {"status": "FAILED", "failure_reason": reason}, case
    monkeypatch.undo()

    await go_by(auth, between, "redirect", {})
    another = str(httpx.URL(between.server).copy_with(port=1))
    brought = await auth.journey("example", "ada", lambda url: str(httpx.URL(url).copy_merge_params({"iss": another})))
    assert brought["error"] == "provider_failed"
    [attempt] = await auth.rows("SELECT failure_reason FROM login_attempts ORDER BY id DESC LIMIT 1")
    assert attempt == {"failure_reason": "MIXED_UP"}
    assert f"redirect{TOKEN}" not in between.asked, "the code was shown to nobody"
    assert await auth.rows(WRITTEN) == [{"identities": 0, "linked": 0, "tokens": 0, "open": 0}]

    await go_by(auth, between, "discovery", {DISCOVERY: changed(issuer="https://evil.example")})
    refused = await auth.begin("example")
    assert (refused.status_code, refused.json()["code"]) == (502, "provider_unusable")
    assert await auth.rows(WRITTEN) == [{"identities": 0, "linked": 0, "tokens": 0, "open": 0}]

    for case, alters in HONEST:
        await go_by(auth, between, case, alters)
        assert (await auth.sign_in("example", "ada")).status_code == 201, case
