"""Somebody with an authenticator app and a recovery address, who loses the app."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pyotp.totp import TOTP

from orion_contracts.account_messages import MessageSecrets, SecurityNoticeRaised
from orion_core.sealing import Keyring

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

EVENT_KEYS = "e1:ZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWU="
CONTACTS = "/auth/v1/me/recovery-contacts"
RECOVERIES = "/auth/v1/recoveries"


@dataclass
class Ada:
    """A user with a second factor and a recovery address."""

    auth: "Auth"
    headers: dict[str, str]
    app: TOTP

    async def challenge(self) -> str:
        """A half-finished sign-in of hers."""
        needed = await self.auth.sign_in()
        assert needed.status_code == 202, needed.text
        return needed.json()["challenge"]

    async def ask(self, challenge: str | None = None) -> httpx.Response:
        """Ask for a recovery."""
        return await self.auth.http.post(RECOVERIES, json={"challenge": challenge or await self.challenge()})

    async def waited(self, hours: float = 72) -> str:
        """Ask for a recovery, wait, and begin to sign in again."""
        assert (await self.ask()).status_code == 202
        self.auth.clock.advance(hours=hours)
        return await self.challenge()

    async def code(self, challenge: str, channel: str = "EMAIL") -> httpx.Response:
        """Have the code sent."""
        return await self.auth.http.post(f"{RECOVERIES}/codes", json={"challenge": challenge, "channel": channel})

    async def sent(self) -> str:
        """The code that was sent last."""
        code = (await self.auth.sent("RECOVERY"))[0].code
        assert code is not None
        return code

    async def complete(self, challenge: str, code: str, at: "Auth | None" = None) -> httpx.Response:
        """Complete the recovery."""
        body = {"challenge": challenge, "code": code}
        return await (at or self.auth).http.post(f"{RECOVERIES}/completions", json=body)

    async def ready(self) -> tuple[str, str]:
        """A challenge and the code that complete a recovery."""
        challenge = await self.waited()
        assert (await self.code(challenge)).status_code == 202
        return challenge, await self.sent()

    async def notices(self, kind: str) -> list[SecurityNoticeRaised]:
        """What its owner was told, the latest first."""
        rows = await self.auth.rows(
            "SELECT data FROM outbox WHERE type = :t AND data->>'notice' = :kind ORDER BY sequence DESC",
            t=SecurityNoticeRaised.type,
            kind=kind,
        )
        return [SecurityNoticeRaised.read(row["data"]) for row in rows]

    async def link(self) -> str:
        """The link in the notice of the last recovery."""
        notice = (await self.notices("recovery.requested"))[0]
        place = notice.associated_data(notice.notice_id, notice.user_id)
        opened = Keyring.parse(EVENT_KEYS).open_text(notice.secrets or "", place)
        link = MessageSecrets.model_validate_json(opened).link
        assert link is not None
        return link

    async def kinds(self) -> list[str]:
        """The kinds of what happened to her recoveries."""
        rows = await self.auth.rows("SELECT event_type FROM security_events ORDER BY id")
        return [row["event_type"] for row in rows if row["event_type"].startswith("recovery.")]


async def set_contact(auth: "Auth", headers: dict[str, str], channel: str, body: dict[str, Any]) -> httpx.Response:
    """Set a recovery contact, with its code."""
    path = "email" if channel == "EMAIL" else "phone"
    asked = await auth.http.post(f"{CONTACTS}/{path}", json=body, headers=headers)
    assert asked.status_code == 202, asked.text
    code = (await auth.sent("RECOVERY_CONTACT"))[0].code
    return await auth.http.post(f"{CONTACTS}/confirmations", json={"channel": channel, "code": code}, headers=headers)


async def enrol(auth: "Auth") -> tuple[dict[str, str], TOTP]:
    """The bearer of somebody with an authenticator app, and the app."""
    await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    app = TOTP((await auth.http.post("/auth/v1/me/two-factor/totp", headers=headers)).json()["secret"])
    body = {"method": "TOTP", "code": app.at(auth.clock())}
    confirmed = await auth.http.post("/auth/v1/me/two-factor/confirmations", json=body, headers=headers)
    assert confirmed.status_code == 200, confirmed.text
    auth.clock.advance(seconds=60)
    return headers, app


@pytest.fixture
async def ada(auth: "Auth") -> Ada:
    """Ada, before she loses her app."""
    headers, app = await enrol(auth)
    confirmed = await set_contact(auth, headers, "EMAIL", {"email": "ada@another.example"})
    assert confirmed.status_code == 200, confirmed.text
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    return Ada(auth, headers, app)
