"""An OpenID Connect server that others have written (npm `oidc-provider`), over real HTTP, and an auth that uses it."""

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
from orion_auth.service import service
from orion_auth.settings import AuthSettings
from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase

FOLDER = Path(__file__).parent / "oidc_provider"
RETURN_TO = "https://app.example.com/signed-in"
CALLBACKS = [f"http://auth.test/auth/v1/oauth-connections/{name}/callback" for name in ("example", "other")]
CONNECTION = {"client_id": "orion", "client_secret": "secret: with + and %", "email_trust": "CLAIM", "is_enabled": True}


@pytest.fixture(scope="session")
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

    async def change(self, name: str, **changes: Any) -> None:
        """Change one that is configured."""
        headers = self.administrator | {"If-Match": "*"}
        answer = await self.http.patch(f"/auth/v1/oauth-connections/{name}", json=changes, headers=headers)
        assert answer.status_code == 200, answer.text

    async def begin(self, name: str) -> httpx.Response:
        """Press the button."""
        path = f"/auth/v1/oauth-connections/{name}/authorizations"
        return await self.http.post(path, json={"return_to": RETURN_TO})

    async def journey(self, name: str, login: str, onto: Callable[[str], str] = str) -> dict[str, str]:
        """There and back, by the URL that `onto` makes of the provider's; what the product's page gets in its own."""
        begun = (await self.begin(name)).json()
        method, url, fields = await agree(begun["authorization_url"], login)
        back = await self.http.request(method, onto(url), data=fields)
        assert back.status_code == 303, back.text
        return {"flow": begun["flow"], **dict(parse_qsl(urlsplit(back.headers["location"]).query))}

    async def sign_in(self, name: str, login: str) -> httpx.Response:
        """There and back, and in."""
        brought = await self.journey(name, login)
        assert "code" in brought, brought
        shown = {"flow": brought["flow"], "code": brought["code"]}
        return await self.http.post(f"/auth/v1/oauth-authorizations/{brought['authorization']}/session", json=shown)

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
