"""Where passwords from breaches are known, none is chosen: not at registration, change, reset or invitation."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx
    from packages.auth.tests.conftest import Auth

STOLEN = "wheel granite lantern oboe"
GOOD = "nine purple lanterns over harbour"


class Stolen:
    """A list with one password on it."""

    is_local = True

    async def contains(self, password: str) -> bool:
        return password == STOLEN

    async def close(self) -> None:
        pass


@pytest.fixture
def breached(auth: "Auth", monkeypatch: pytest.MonkeyPatch) -> None:
    parts = auth.application.state.components
    policy = replace(parts.password_policy, breached=Stolen())
    monkeypatch.setattr(auth.application.state, "components", replace(parts, password_policy=policy))


@pytest.mark.usefixtures("breached")
async def test_a_breached_password_is_refused_wherever_one_is_chosen(auth: "Auth") -> None:
    await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    await auth.http.post("/auth/v1/password-resets", json={"email": "ada@example.com"})
    [reset] = await auth.sent("PASSWORD_RESET")
    operator = auth.as_bearer(await auth.operator_token())
    await auth.http.post("/auth/v1/invitations", json={"email": "grace@example.com"}, headers=operator)
    [invitation] = await auth.sent("INVITATION")

    async def choose(password: str) -> "list[httpx.Response]":
        change = {"current_password": auth.password, "new_password": password}
        return [
            await auth.register("bob@example.com", password=password),
            await auth.http.put("/auth/v1/me/password", json=change, headers=headers),
            await auth.http.post(f"{invitation.link}/acceptance", json={"password": password}),
            await auth.http.put(f"{reset.link}/password", json={"password": password}),
        ]

    for answer in await choose(STOLEN):
        assert answer.status_code == 422
        assert [error["code"] for error in answer.json()["errors"]] == ["password_breached"]
    assert (await auth.sign_in()).status_code == 201, "nothing has changed"
    # The change ends the link that was asked for before it.
    assert [answer.status_code for answer in await choose(GOOD)] == [202, 204, 204, 410]
