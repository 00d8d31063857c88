"""Social login against an OpenID Connect server that others have written (npm `oidc-provider`), over real HTTP."""

import json
import shutil
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from orion_auth.app import build
from orion_auth.oauth_connections import actions as oauth_connections
from orion_auth.providers.rules import ProviderError
from orion_auth.service import service
from orion_auth.settings import AuthSettings
from orion_auth.social.keeping import keep_once
from orion_auth.social.proofs import token_place
from orion_auth.social.routes import bridge_of
from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase

FOLDER = Path(__file__).parent / "oidc_provider"
RETURN_TO = "https://app.example.com/signed-in"
CALLBACKS = [f"http://auth.test/auth/v1/oauth-connections/{name}/callback" for name in ("example", "other")]
CONNECTION = {"client_id": "orion", "client_secret": "secret: with + and %", "email_trust": "CLAIM", "is_enabled": True}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def issuer() -> Generator[str]:
    """The running server's issuer."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules" / "oidc-provider").is_dir():
        pytest.skip(f"oidc-provider is not installed: npm install --prefix {FOLDER} --no-package-lock")
    command = [node, str(FOLDER / "server.mjs"), json.dumps(CALLBACKS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@dataclass
class Auth:
    """A running auth, and a browser of one person."""

    application: FastAPI
    http: httpx.AsyncClient
    owner: Database
    clock: MovableClock
    administrator: dict[str, str]

    async def connect(self, name: str, issuer: str, **changes: Any) -> None:
        """Configure the server as a provider."""
        body = CONNECTION | {"name": name, "issuer": issuer} | changes
        answer = await self.http.post("/auth/v1/oauth-connections", json=body, headers=self.administrator)
        assert answer.status_code == 201, answer.text

    async def sign_in(self, name: str, login: str) -> httpx.Response:
        """There and back, and in."""
        path = f"/auth/v1/oauth-connections/{name}/authorizations"
        begun = (await self.http.post(path, json={"return_to": RETURN_TO})).json()
        method, url, fields = await agree(begun["authorization_url"], login)
        back = await self.http.request(method, url, data=fields)
        assert back.status_code == 303, back.text
        brought = dict(parse_qsl(urlsplit(back.headers["location"]).query))
        assert "code" in brought, brought
        shown = {"flow": begun["flow"], "code": brought["code"]}
        return await self.http.post(f"/auth/v1/oauth-authorizations/{begun['id']}/session", json=shown)

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """What a query of the owner's finds."""
        async with self.owner.autocommit() as connection:
            return [dict(row) for row in (await connection.execute(text(query))).mappings()]

    async def execute(self, statement: str) -> None:
        """Change something as the owner."""
        async with self.owner.autocommit() as connection:
            await connection.execute(text(statement))


async def agree(url: str, login: str) -> tuple[str, str, dict[str, str]]:
    """Sign in at the provider and consent, as a person would on its pages; what sends the browser back."""
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(url)
        for _ in range(12):
            if answer.is_redirect:
                onward = str(answer.url.join(answer.headers["location"]))
                if onward.startswith("http://auth.test/"):
                    return "GET", onward, {}
                answer = await browser.get(onward)
            elif 'name="prompt" value="login"' in answer.text:
                form = {"prompt": "login", "login": login, "password": "x"}
                answer = await browser.post(answer.url, data=form)
            elif 'name="prompt" value="consent"' in answer.text:
                answer = await browser.post(answer.url, data={"prompt": "consent"})
            else:
                break
    raise AssertionError(f"the provider does not send the browser back: {answer.status_code} {answer.text[:2000]}")


@pytest.fixture
async def auth(make_database: Callable[[str], Awaitable[TestDatabase]], clock: MovableClock) -> AsyncGenerator[Auth]:
    """Auth with its reference rows."""
    database = await make_database("auth")
    settings = {
        "ORION_ENV": "test",
        "AUTH_DATABASE_URL": database.url,
        "AUTH_SEALING_KEYS": Keyring.new_key("s1"),
        "EVENT_SEALING_KEYS": Keyring.new_key("e1"),
        "AUTH_SERVICE_KEY_HASHES": {"operator": sha256(b"key").hexdigest()},
        "AUTH_PUBLIC_URL": "http://auth.test",
        "AUTH_RETURN_URLS": RETURN_TO,
    }
    application = build(AuthSettings.model_validate(settings), clock)
    owner = Database.connect(database.owner_url, role=None, application="test", pool_size=2)
    async with owner.transaction() as transaction:
        await service.seed(transaction.connection, "reference")
    transport = httpx.ASGITransport(application, client=("192.0.2.1", 1234), raise_app_exceptions=False)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://auth.test") as http,
    ):
        grant = {"grant_type": "client_credentials"}
        token = (await http.post("/auth/oauth2/token", data=grant, auth=("operator", "key"))).json()["access_token"]
        yield Auth(application, http, owner, clock, {"Authorization": f"Bearer {token}"})
    await owner.close()


async def test_somebody_signs_in_and_comes_back(auth: Auth, issuer: str) -> None:
    await auth.connect("example", issuer)
    first, second = await auth.sign_in("example", "ada"), await auth.sign_in("example", "ada")
    other = await auth.sign_in("example", "eve")
    assert (first.status_code, second.status_code, other.status_code) == (201, 201, 201), first.text
    assert first.json()["user_id"] == second.json()["user_id"] != other.json()["user_id"]
    linked = await auth.rows("SELECT provider_id, provider_email, profile FROM oauth_providers ORDER BY id")
    assert linked[0] == {"provider_id": "ada", "provider_email": "ada@example.com", "profile": {"name": "Ada Lovelace"}}
    emails = await auth.rows("SELECT email FROM identities WHERE email_verified_at IS NOT NULL ORDER BY id")
    assert [row["email"] for row in emails] == ["ada@example.com", "eve@example.com"]


async def test_its_refresh_tokens_are_rotated_again_and_again(auth: Auth, issuer: str) -> None:
    await auth.connect("example", issuer)
    await auth.sign_in("example", "ada")
    query = "SELECT refresh_token, refresh_failures, access_ended_at FROM oauth_providers"
    seen = [(await auth.rows(query))[0]["refresh_token"]]
    for _ in range(3):
        now = auth.clock.advance(hours=1)
        await keep_once(bridge_of(auth.application.state.components), now)
        [row] = await auth.rows(query)
        assert (row["refresh_failures"], row["access_ended_at"]) == (0, None)
        seen.append(row["refresh_token"])
    assert len(set(seen)) == 4


async def test_its_discovery_is_understood_and_a_wrong_secret_is_refused(auth: Auth, issuer: str) -> None:
    await auth.connect("other", issuer, client_secret="wrong")
    found = await auth.http.get("/auth/v1/oauth-connections/other/discovery", headers=auth.administrator)
    assert found.json()["answers_with_issuer"] is True
    with pytest.raises(AssertionError, match="provider_failed"):
        await auth.sign_in("other", "ada")
    [attempt] = await auth.rows("SELECT failure_reason FROM login_attempts")
    assert attempt == {"failure_reason": "INVALID_CLIENT"}


async def test_its_tokens_are_given_back_when_an_account_is_unlinked(auth: Auth, issuer: str) -> None:
    await auth.connect("example", issuer)
    session = (await auth.sign_in("example", "ida")).json()
    parts = auth.application.state.components
    bridge, headers = bridge_of(parts), {"Authorization": f"Bearer {session['access_token']}"}
    [row] = await auth.rows("SELECT * FROM oauth_providers")
    token = parts.settings.sealing_keys.open(row["refresh_token"], token_place("refresh_token", row["id"])).decode()
    await auth.execute("UPDATE identities SET password_hash = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA'")
    unlinked = await auth.http.delete(f"/auth/v1/me/oauth-accounts/{row['id']}", headers=headers)
    assert unlinked.status_code == 204
    async with bridge.database.autocommit() as connection:
        provider = await oauth_connections.enabled(connection, bridge.keyring, "example")
    assert provider is not None
    with pytest.raises(ProviderError) as refused:
        await bridge.providers.refresh(provider, token, auth.clock())
    assert refused.value.reason == "TOKEN_REVOKED"
