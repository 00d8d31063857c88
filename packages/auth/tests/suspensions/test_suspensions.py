"""An administrator shuts a user out: everywhere, at once, and until further notice."""

from typing import TYPE_CHECKING
from uuid import UUID

from orion_contracts.events import IdentityReinstated, IdentitySuspended, SecurityEpochRaised, SessionEnded

if TYPE_CHECKING:
    import httpx
    from packages.auth.tests.conftest import Auth


async def ask(auth: "Auth", method: str, user_id: UUID, token: str | None = None) -> "httpx.Response":
    headers = auth.as_bearer(token or await auth.operator_token())
    return await auth.http.request(method, f"/auth/v1/users/{user_id}/suspension", headers=headers)


async def told(auth: "Auth") -> list[str]:
    types = [IdentitySuspended.type, IdentityReinstated.type, SecurityEpochRaised.type, SessionEnded.type]
    rows = await auth.rows("SELECT type FROM outbox WHERE type = ANY(:types) ORDER BY sequence", types=types)
    return [row["type"] for row in rows]


async def test_a_suspended_user_is_out_until_he_is_reinstated(auth: "Auth", another_auth: "Auth") -> None:
    ada = await auth.verified()
    session = (await auth.sign_in()).json()
    assert (await ask(auth, "POST", ada)).status_code == 204
    headers = auth.as_bearer(session["access_token"])
    assert (await another_auth.http.get("/auth/v1/sessions", headers=headers)).status_code == 401
    assert (await auth.refresh(session["refresh_token"])).status_code == 400
    assert (await auth.sign_in()).json()["code"] == "account_suspended"
    ended = [SecurityEpochRaised.type, SessionEnded.type, IdentitySuspended.type]
    assert await told(auth) == ended
    assert (await ask(auth, "POST", ada)).status_code == 204
    assert await told(auth) == ended, "once more changes nothing"
    auth.clock.advance(seconds=1)
    for _ in range(2):
        assert (await ask(auth, "DELETE", ada)).status_code == 204
    assert await told(auth) == [*ended, IdentityReinstated.type]
    assert (await auth.sign_in()).status_code == 201
    events = await auth.rows(
        "SELECT event_type, details FROM security_events WHERE category = 'ADMINISTRATION' ORDER BY created_at"
    )
    assert [row["event_type"] for row in events] == ["account.suspended", "account.reinstated"]
    assert events[0]["details"] == {"administrator": "operator"}


async def test_who_was_not_verified_is_not_so_by_a_suspension(auth: "Auth") -> None:
    await auth.register()
    [row] = await auth.rows("SELECT id FROM identities")
    for method in ("POST", "DELETE"):
        assert (await ask(auth, method, row["id"])).status_code == 204
    assert await auth.rows("SELECT status::text FROM identities") == [{"status": "PENDING"}]


async def test_only_an_administrator_may_and_only_with_somebody(auth: "Auth") -> None:
    ada = await auth.verified()
    hers, service = (await auth.sign_in()).json()["access_token"], await auth.service_token()
    for method in ("POST", "DELETE"):
        assert [(await ask(auth, method, ada, token)).status_code for token in (hers, service)] == [403, 403]
        assert (await ask(auth, method, UUID(int=7))).status_code == 404
