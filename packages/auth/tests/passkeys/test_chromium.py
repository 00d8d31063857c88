"""The ceremonies in real Chromium with its virtual authenticator, run by the script that docs/passkeys.md shows."""

import asyncio
import json
import os
import re
import shutil
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from packages.auth.tests.conftest import running
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route

from orion_core.http.embedded import serving
from orion_core.testing import MovableClock, TestDatabase

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[4] / "docs" / "passkeys.md"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
    "--remote-debugging-pipe",
)
PHONE: dict[str, Any] = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
ARRIVED = """let welcome; const arrived = new Promise((done) => { welcome = done; });
const complain = (error) => welcome({ thrown: String(error) });"""
OLD_KEY: dict[str, Any] = {"protocol": "u2f", "transport": "usb", "automaticPresenceSimulation": True}


class Browser:
    """Chromium, spoken to in its DevTools protocol over a pair of pipes: JSON, each message ended by a NUL."""

    def __init__(self, reader: asyncio.StreamReader, writer: int) -> None:
        self._reader, self._writer = reader, writer
        self._session: str | None = None
        self._count = 0
        self.authenticator = ""

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Have something done, and wait for what comes of it."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        async with asyncio.timeout(30):
            while True:
                answer = json.loads((await self._reader.readuntil(b"\0"))[:-1])
                if answer.get("id") == self._count:
                    assert "error" not in answer, answer
                    return answer["result"]

    async def open(self, url: str) -> None:
        """A new page."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        await self.call("WebAuthn.enable")
        await self.visit(url)

    async def visit(self, url: str) -> None:
        """Another page in its place."""
        await self.call("Page.navigate", url=url)
        await self.run('new Promise((done) => document.readyState == "complete" ? done() : onload = done)')
        assert await self.run("location.href") == url

    async def run(self, script: str) -> Any:
        """What the script gives, once it has; what it throws, as `{"thrown": …}`."""
        wrapped = (
            f"(async () => {{ try {{ return await ({script}); }} catch (e) {{ return {{ thrown: String(e) }} }} }})()"
        )
        answer = await self.call("Runtime.evaluate", expression=wrapped, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def plug_in(self, options: dict[str, Any]) -> None:
        """An authenticator, in the place of the one before."""
        if self.authenticator:
            await self.call("WebAuthn.removeVirtualAuthenticator", authenticatorId=self.authenticator)
        self.authenticator = (await self.call("WebAuthn.addVirtualAuthenticator", options=options))["authenticatorId"]

    async def credentials(self) -> list[dict[str, Any]]:
        """What the authenticator keeps."""
        return (await self.call("WebAuthn.getCredentials", authenticatorId=self.authenticator))["credentials"]

    async def turn_back(self, sign_count: int) -> None:
        """Give the authenticator's only credential an earlier counter, as a copy of it has."""
        [credential] = await self.credentials()
        turned = {"rpId": "localhost"} | credential | {"signCount": sign_count}
        of_authenticator = {"authenticatorId": self.authenticator}
        await self.call("WebAuthn.removeCredential", **of_authenticator, credentialId=credential["credentialId"])
        await self.call("WebAuthn.addCredential", **of_authenticator, credential=turned)


@asynccontextmanager
async def chromium() -> AsyncGenerator[Browser]:
    """Chromium with a profile of its own."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    its_input, writer = os.pipe()
    reader, its_output = os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # It reads from descriptor 3 and writes to 4.
        redirected = f'exec "$0" "$@" 3<&{its_input} 4>&{its_output}'
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", redirected, CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank",
            pass_fds=(its_input, its_output),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        os.close(its_input)
        os.close(its_output)
        stream = asyncio.StreamReader(limit=2**24)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reader, "rb")
        )
        browser = Browser(stream, writer)
        try:
            yield browser
        finally:
            browser._session = None
            await browser.call("Browser.close")
            await asyncio.wait_for(process.wait(), 20)
            transport.close()
            os.close(writer)


def page(_: Request) -> HTMLResponse:
    """The application's page: a form, and the functions of the document."""
    functions, conditional = re.findall(r"```js\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    form = '<form><input autocomplete="username webauthn" autofocus></form>'
    script = f"{ARRIVED}\n{functions}\nasync function waitForPasskey() {{ {conditional} }}"
    return HTMLResponse(f"<!doctype html><title>Sign in</title>{form}<script>{script}</script>")


@asynccontextmanager
async def served(database: TestDatabase, clock: MovableClock) -> AsyncGenerator[tuple["Auth", Browser, str]]:
    """Auth and the application's page on one origin, and a browser that shows the page."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://localhost:{port}"
    settings: dict[str, Any] = {"AUTH_PASSKEY_ORIGINS": url, "AUTH_PASSKEY_DOMAIN": "localhost"}
    async with running(database, clock, **settings) as auth:
        site = Starlette(routes=[Route("/app", page), Mount("/", auth.application)])
        async with serving(site, "127.0.0.1", port), chromium() as browser:
            await browser.open(f"{url}/app")
            yield auth, browser, f"{url}/app"


@pytest.fixture
async def database(make_seeded_database: Callable[[str], Awaitable[TestDatabase]]) -> TestDatabase:
    return await make_seeded_database("auth")


async def token(auth: "Auth") -> str:
    signed_in: httpx.Response = await auth.sign_in()
    assert signed_in.status_code == 201, signed_in.text
    return signed_in.json()["access_token"]


async def challenge(auth: "Auth") -> str:
    needed = await auth.sign_in()
    assert (needed.status_code, needed.json()["methods"]) == (202, ["HARDWARE_KEY"])
    return needed.json()["challenge"]


async def test_a_passkey_of_a_phone(database: TestDatabase, clock: MovableClock) -> None:
    async with served(database, clock) as (auth, browser, url):
        await auth.verified()
        await browser.plug_in(PHONE)
        added = await browser.run(f'addPasskey("{await token(auth)}", "My phone")')
        assert added.get("name") == "My phone", added
        assert added["signs_in_alone"]
        assert added["is_discoverable"]
        assert added["transports"] == ["internal"]
        [made] = await browser.credentials()
        assert made["isResidentCredential"]
        assert made["rpId"] == "localhost"

        session = await browser.run("signIn()")
        assert session.get("user_id") == str((await auth.rows("SELECT id FROM identities"))[0]["id"]), session
        again = await browser.run(f'addPasskey("{session["access_token"]}")')
        assert "InvalidStateError" in again["thrown"], "what is excluded is not made again"

        await browser.visit(f"{url}?2")
        await browser.run("waitForPasskey()")
        offered = await browser.run("arrived")
        assert offered.get("user_id") == session["user_id"], f"conditional mediation: the form offers it; {offered}"

        second = await browser.run(f'answerWithKey("{await challenge(auth)}")')
        assert second.get("user_id") == session["user_id"], second

        proved = await browser.run(f'proveAgain("{session["access_token"]}")')
        assert "authenticated_at" in proved, proved

        await browser.call("WebAuthn.setUserVerified", authenticatorId=browser.authenticator, isUserVerified=False)
        unverified = await browser.run("signIn()")
        assert "NotAllowedError" in unverified["thrown"], "the browser does not even ask us"
        await browser.call("WebAuthn.setUserVerified", authenticatorId=browser.authenticator, isUserVerified=True)

        await browser.turn_back(1)
        copy = await browser.run("signIn()")
        assert "This passkey does not let you in" in copy["thrown"]
        events = await auth.rows("SELECT event_type FROM security_events WHERE event_type LIKE 'passkey.%' ORDER BY id")
        assert [event["event_type"] for event in events] == ["passkey.added", "passkey.cloned"]
        await browser.turn_back(1000)
        assert "This passkey does not let you in" in (await browser.run("signIn()"))["thrown"], "nor is the other"


async def test_an_old_key_is_a_second_factor(database: TestDatabase, clock: MovableClock) -> None:
    async with served(database, clock) as (auth, browser, _):
        await auth.verified()
        await browser.plug_in(OLD_KEY)
        added = await browser.run(f'addPasskey("{await token(auth)}", "Old key", "SECURITY_KEY")')
        assert added.get("name") == "Old key", added
        assert not added["signs_in_alone"]
        session = await browser.run(f'answerWithKey("{await challenge(auth)}")')
        assert "access_token" in session, session
        await browser.turn_back(0)
        copy = await browser.run(f'answerWithKey("{await challenge(auth)}")')
        assert "This is not the answer of a key of this account" in copy["thrown"]
        assert "NotAllowedError" in (await browser.run("signIn()"))["thrown"], "it cannot be found without its user"
