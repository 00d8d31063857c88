"""A provider of identity over real HTTP on this machine: an honest OpenID Connect server that a test may turn."""

import asyncio
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from orion_auth.providers.id_tokens import half_hash
from orion_core.http.embedded import serving
from orion_core.secrets import new_secret
from orion_core.testing import MovableClock

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

RETURN_TO = "https://app.example.com/signed-in"
CLIENT_ID = "orion"
CLIENT_SECRET = "secret: with + and %"


@cache
def new_key(key_id: str) -> RSAKey:
    """A key of that name: the same one in every test, since making one takes long."""
    return RSAKey.generate_key(2048, {"kid": key_id, "use": "sig", "alg": "RS256"})


@dataclass
class Provider:
    """The server. What it does honestly, a test overrides: claims, keys, single answers."""

    clock: MovableClock
    url: str = ""
    key: RSAKey = field(default_factory=lambda: new_key("k1"))
    published: list[RSAKey] = field(default_factory=list[RSAKey])
    account: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "248289761001",
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada Lovelace",
            "locale": "en",
        }
    )
    in_id_token: tuple[str, ...] = ()
    """Claims beside `sub` that the ID token has; the others are the userinfo endpoint's."""
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    """Overrides of the ID token's claims; None leaves one out."""
    header: dict[str, Any] = field(default_factory=dict[str, Any])
    sign: Callable[[dict[str, Any], bytes], str] | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    answers: dict[str, Response] = field(default_factory=dict[str, Response])
    """What paths answer instead."""
    delay: dict[str, float] = field(default_factory=dict[str, float])
    before: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict[str, Callable[[], Awaitable[None]]])
    """What happens while a path is about to answer."""
    expires_in: int = 3600
    scope: str = "openid email profile"
    rotates: bool = True
    asked: list[str] = field(default_factory=list[str])
    """The paths of all requests."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    access_tokens: set[str] = field(default_factory=set[str])
    refresh_tokens: set[str] = field(default_factory=set[str])
    forms: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """What the token endpoint was sent."""

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._route(self._discovery)),
                Route("/jwks", self._route(self._jwks)),
                Route("/authorize", self._route(self._authorize)),
                Route("/token", self._route(self._token), methods=["POST"]),
                Route("/me", self._route(self._me)),
                Route("/emails", self._route(self._emails)),
                Route("/revoke", self._route(self._revoke), methods=["POST"]),
            ]
        )

    def _route(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def route(request: Request) -> Response:
            path = request.url.path
            self.asked.append(path)
            await asyncio.sleep(self.delay.get(path, 0))
            if path in self.before:
                await self.before[path]()
            return self.answers.get(path) or await answer(request)

        return route

    async def _discovery(self, _: Request) -> Response:
        honest = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/me",
            "jwks_uri": f"{self.url}/jwks",
            "revocation_endpoint": f"{self.url}/revoke",
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse(honest | self.metadata)

    async def _jwks(self, _: Request) -> Response:
        keys = self.published or [self.key]
        return JSONResponse({"keys": [key.as_dict(private=False) for key in keys]})

    async def _authorize(self, request: Request) -> Response:
        """Whoever comes is signed in already, and agrees."""
        asked = dict(request.query_params)
        code = new_secret()
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.url}
        if asked.get("response_mode") == "form_post":
            return JSONResponse(answer)
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        self.forms.append(form)
        if not self._knows_client(request, form):
            return JSONResponse({"error": "invalid_client"}, 401)
        if form["grant_type"] == "refresh_token":
            return self._refresh(form)
        asked = self.codes.pop(form["code"], None)
        challenge = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        granted = self._granted()
        granted["id_token"] = self.id_token(asked.get("nonce", ""), granted["access_token"])
        return JSONResponse(granted)

    def _knows_client(self, request: Request, form: dict[str, str]) -> bool:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            pair = b64decode(credentials).decode().split(":", 1)
            return [unquote_plus(part) for part in pair] == [CLIENT_ID, CLIENT_SECRET]
        return form.get("client_id") == CLIENT_ID and "client_secret" in form

    def _refresh(self, form: dict[str, str]) -> Response:
        if form["refresh_token"] not in self.refresh_tokens:
            return JSONResponse({"error": "invalid_grant"}, 400)
        granted = self._granted()
        if self.rotates:
            self.refresh_tokens.discard(form["refresh_token"])
        return JSONResponse(granted)

    async def _revoke(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if not self._knows_client(request, form):
            return JSONResponse({"error": "invalid_client"}, 401)
        held = {"refresh_token": self.refresh_tokens, "access_token": self.access_tokens}[form["token_type_hint"]]
        held.discard(form["token"])
        return Response(status_code=200)

    def _granted(self) -> dict[str, Any]:
        access_token, refresh_token = new_secret(), new_secret()
        self.access_tokens.add(access_token)
        self.refresh_tokens.add(refresh_token)
        return {
            "access_token": access_token,
            "refresh_token": refresh_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.scope,
        }

    def id_token(self, nonce: str, access_token: str) -> str:
        now = int(self.clock().timestamp())
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": self.account["sub"],
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 600,
            "nonce": nonce,
            "at_hash": half_hash("RS256", access_token),
            **{name: self.account[name] for name in self.in_id_token},
            **self.claims,
        }
        return self.signed({name: value for name, value in claims.items() if value is not None})

    def signed(self, claims: dict[str, Any]) -> str:
        header: dict[str, Any] = {"alg": "RS256", "kid": self.key.kid, **self.header}
        payload = json.dumps(claims).encode()
        if self.sign is not None:
            return self.sign(header, payload)
        return jws.serialize_compact(header, payload, self.key, algorithms=[header["alg"]])

    async def _me(self, request: Request) -> Response:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.access_tokens:
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse(self.account)

    async def _emails(self, _: Request) -> Response:
        other = {"email": "old@example.com", "primary": False, "verified": True}
        email, verified = self.account.get("email"), self.account.get("email_verified")
        return JSONResponse([other, {"email": email, "primary": True, "verified": verified}])

    def connection(self, **changes: Any) -> dict[str, Any]:
        """What an administrator would configure for this server."""
        return {
            "name": "example",
            "display_name": "Example",
            "issuer": self.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "email_trust": "CLAIM",
            "is_enabled": True,
        } | changes


@pytest.fixture
async def provider(clock: MovableClock) -> AsyncGenerator[Provider]:
    """A running provider."""
    async with AsyncExitStack() as stack:
        server = Provider(clock)
        port = await stack.enter_async_context(serving(server.application(), "127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{port}"
        yield server


@dataclass
class Traveller:
    """A person with a browser of his own, who signs in through the provider."""

    browser: httpx.AsyncClient
    name: str = "example"

    async def begin(self, **body: Any) -> dict[str, Any]:
        """Press the button."""
        path = f"/auth/v1/oauth-connections/{self.name}/authorizations"
        answer = await self.browser.post(path, json={"return_to": RETURN_TO} | body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def visit(self, begun: dict[str, Any]) -> str:
        """Agree at the provider; where it sends the browser back to."""
        async with httpx.AsyncClient() as internet:
            return (await internet.get(begun["authorization_url"])).headers["location"]

    async def come_back(self, url: str) -> dict[str, str]:
        """Follow the provider's answer; what the product's page gets in its URL."""
        return self.read(await self.browser.get(url))

    async def agree_by_form(self, begun: dict[str, Any]) -> dict[str, str]:
        """Agree at a provider that answers by form; its fields."""
        async with httpx.AsyncClient() as internet:
            return (await internet.get(begun["authorization_url"])).json()

    def read(self, answer: httpx.Response) -> dict[str, str]:
        """What the product's page gets in its URL."""
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].startswith(f"{RETURN_TO}?")
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    async def journey(self, **body: Any) -> dict[str, str]:
        """There and back: what is shown to use it, or its `error`."""
        begun = await self.begin(**body)
        return {"flow": begun["flow"], **await self.come_back(await self.visit(begun))}

    async def use(self, journey: dict[str, str], **body: Any) -> httpx.Response:
        """Sign in by a journey."""
        shown = {"flow": journey["flow"], "code": journey["code"]}
        path = f"/auth/v1/oauth-authorizations/{journey['authorization']}/session"
        return await self.browser.post(path, json=shown | body)

    async def sign_in(self, **body: Any) -> httpx.Response:
        """The whole way."""
        return await self.use(await self.journey(), **body)


@pytest.fixture
async def travellers(auth: "Auth") -> AsyncGenerator[Callable[..., Traveller]]:
    """Makes travellers, each with cookies of his own."""
    async with AsyncExitStack() as stack:

        def make(name: str = "example", address: str = "192.0.2.1") -> Traveller:
            transport = httpx.ASGITransport(auth.application, client=(address, 1234), raise_app_exceptions=False)
            browser = httpx.AsyncClient(transport=transport, base_url="http://auth.test")
            stack.push_async_callback(browser.aclose)
            return Traveller(browser, name)

        yield make


@pytest.fixture
async def ada(administrator: "Administrator", provider: Provider, travellers: Callable[..., Traveller]) -> Traveller:
    """Somebody with an account at the provider, which is configured."""
    await administrator.connect(provider.connection())
    return travellers()


@dataclass(frozen=True)
class Administrator:
    """Configures providers as an administrator."""

    auth: "Auth"
    headers: dict[str, str]

    async def connect(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create a connection."""
        answer = await self.auth.http.post("/auth/v1/oauth-connections", json=body, headers=self.headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def change(self, name: str, **changes: Any) -> None:
        """Change one, whatever its state."""
        headers = self.headers | {"If-Match": "*"}
        answer = await self.auth.http.patch(f"/auth/v1/oauth-connections/{name}", json=changes, headers=headers)
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def administrator(auth: "Auth") -> Administrator:
    """Somebody with the scope auth:admin."""
    return Administrator(auth, auth.as_bearer(await auth.operator_token()))
