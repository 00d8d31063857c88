"""A process that changes users through the whole service without end, until it is killed; `test_killed.py` kills it.

Each user's bio counts up, one change after the other, all users at once; a second stream of changes makes roles. What
was acknowledged is written to standard output, a line at a time. Checkpoints are written all the while.

    python -m packages.user.tests.audit.changing DATABASE_URL SEALING_KEYS USER_ID...
"""

import asyncio
import os
import sys
from itertools import count
from uuid import UUID

import httpx
from packages.user.tests.conftest import ISSUER, FakeImports, running, signed, until_ready

from orion_core.clock import system_clock
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_user.app import build
from orion_user.audit.checkpoints import extend
from orion_user.settings import UserSettings


def acknowledged(*words: object) -> None:
    """Tell, in one write, which a kill does not cut."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def change(transport: httpx.ASGITransport, user_id: UUID, beginning: int) -> None:
    """Count a user's bio up."""
    headers = {
        "If-Match": "*",
        "Authorization": f"Bearer {signed(MovableClock(system_clock()), str(user_id), uuid7())}",
    }
    async with httpx.AsyncClient(transport=transport, base_url="http://user", headers=headers) as client:
        for number in count(beginning):
            answer = await client.patch("/user/v1/me", json={"bio": str(number)})
            assert answer.status_code == 200, answer.text
            acknowledged("user", user_id, number)


async def make_roles(transport: httpx.ASGITransport) -> None:
    """Make roles, every second one under a name that is taken, which is refused and rolled back."""
    token = signed(MovableClock(system_clock()), "operator", None, "auth:admin", client_id="operator")
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://user", headers=headers) as client:
        while True:
            name = f"r{uuid7().hex}"
            body = {"name": name, "display_name": name}
            answers = [await client.post("/user/v1/roles", json=body) for _ in range(2)]
            assert [answer.status_code for answer in answers] == [201, 409]
            acknowledged("role", name)


async def main(url: str, keys: str, users: list[tuple[UUID, int]]) -> None:
    """Change, until somebody ends it."""
    settings = UserSettings.model_validate(
        {
            "USER_DATABASE_URL": url,
            "USER_SEALING_KEYS": keys,
            "USER_EVENT_SEALING_KEYS": keys,
            "USER_SERVICE_KEY": "key",
            "AUTH_URL": ISSUER,
            "AUTH_ISSUER": ISSUER,
        }
    )
    application = build(settings, httpx.AsyncClient(transport=FakeImports().transport()))

    async def sign_checkpoints() -> None:
        while True:
            await extend(application.state.components.database, settings.sealing_keys, system_clock())
            await asyncio.sleep(0.01)

    async with running(application) as transport:
        await until_ready(transport)
        changes = (change(transport, user_id, beginning) for user_id, beginning in users)
        await asyncio.gather(*changes, make_roles(transport), sign_checkpoints())


if __name__ == "__main__":
    sys.stdout = sys.stderr  # where the service logs; half a line of it would be in the way
    url, keys, *named = sys.argv[1:]
    pairs = (each.partition("=") for each in named)
    asyncio.run(main(url, keys, [(UUID(user_id), int(beginning)) for user_id, _, beginning in pairs]))
