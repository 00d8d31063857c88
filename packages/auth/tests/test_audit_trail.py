"""What is done in auth is told to the audit trail, in the transaction that does it."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from orion_contracts.audit import AuthAuditRecorded

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

NEW = "a wholly different passphrase"


async def told(auth: "Auth") -> list[AuthAuditRecorded]:
    query = "SELECT data FROM outbox WHERE type = :type ORDER BY sequence"
    return [AuthAuditRecorded.read(row["data"]) for row in await auth.rows(query, type=AuthAuditRecorded.type)]


async def test_every_security_event_is_an_entry_of_the_same_id(auth: "Auth") -> None:
    ada = await auth.verified()
    session = (await auth.sign_in()).json()
    headers = auth.as_bearer(session["access_token"]) | {"X-Request-Id": "r-1", "User-Agent": "Browser"}
    body = {"current_password": auth.password, "new_password": NEW}
    changed = await auth.http.put("/auth/v1/me/password", json=body, headers=headers)
    assert changed.status_code == 204, changed.text
    events = await auth.rows("SELECT id, event_type FROM security_events ORDER BY id")
    entries = await told(auth)
    assert {(entry.audit_id, entry.action) for entry in entries} == {(row["id"], row["event_type"]) for row in events}
    [entry] = [entry for entry in entries if entry.action == "password.changed"]
    assert (entry.actor_type, entry.actor_id, entry.user_id) == ("USER", ada, ada)
    assert (entry.request_id, entry.user_agent, entry.status) == ("r-1", "Browser", "SUCCESS")
    assert entry.session_id == UUID(session["session_id"])
    assert entry.duration_ms is not None
    assert auth.password not in str(entries)
    assert NEW not in str(entries)


async def test_what_an_administrator_does_is_told_with_who_it_was(auth: "Auth") -> None:
    ada = await auth.verified()
    headers = auth.as_bearer(await auth.operator_token())
    await auth.http.post(f"/auth/v1/users/{ada}/suspension", headers=headers)
    requirement = {"is_required": True}
    await auth.http.put(f"/auth/v1/users/{ada}/two-factor/requirement", json=requirement, headers=headers)
    invited = await auth.http.post("/auth/v1/invitations", json={"email": "grace@example.com"}, headers=headers)
    await auth.http.delete(f"/auth/v1/invitations/{invited.json()['id']}", headers=headers)
    entries = [entry for entry in await told(auth) if entry.actor_name == "operator"]
    assert [(entry.action, entry.user_id) for entry in entries] == [
        ("account.suspended", ada),
        ("two_factor.require", ada),
        ("invitation.create", UUID(invited.json()["user_id"])),
        ("invitation.delete", None),
    ]
    assert {entry.actor_type for entry in entries} == {"SERVICE"}
    assert entries[1].new == {"is_required": True}


async def test_providers_are_told_before_and_after_and_their_secrets_are_not(auth: "Auth") -> None:
    headers = auth.as_bearer(await auth.operator_token()) | {"If-Match": "*"}
    path = "/auth/v1/oauth-connections"
    provider: dict[str, Any] = {
        "name": "example",
        "display_name": "Example",
        "issuer": "https://id.example.com",
        "client_id": "orion",
        "client_secret": "hush-hush",
        "protocol": "OIDC",
    }
    assert (await auth.http.post(path, json=provider, headers=headers)).status_code == 201
    changes = {"display_name": "Other", "client_secret": "hush-hush-2"}
    assert (await auth.http.patch(f"{path}/example", json=changes, headers=headers)).status_code == 200
    assert (await auth.http.delete(f"{path}/example", headers=headers)).status_code == 204
    entries = [entry for entry in await told(auth) if entry.resource_type == "oauth_connection"]
    assert [entry.action.partition(".")[2] for entry in entries] == ["create", "update", "delete"]
    assert (entries[1].old["display_name"], entries[1].new["display_name"]) == ("Example", "Other")
    assert "hush" not in str(entries)


async def test_what_somebody_unknown_tries_is_not_laid_at_the_owners_door(auth: "Auth") -> None:
    ada = await auth.verified()
    await auth.register()
    await auth.http.post("/auth/v1/password-resets", json={"email": "ada@example.com"})
    entries = [entry for entry in await told(auth) if entry.user_id == ada]
    assert [(entry.action, entry.actor_type, entry.actor_name, entry.status) for entry in entries] == [
        ("registration.repeated", "SERVICE", "auth", "DENIED"),
        ("password.reset_requested", "SERVICE", "auth", "SUCCESS"),
    ]


async def test_who_would_administer_without_the_right_to_is_told_of(auth: "Auth") -> None:
    ada = await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    for path, code in (
        ("rate-limit-policies", "permission_denied"),
        ("rate-limit-policies", "permission_denied"),
        ("events", "insufficient_scope"),
    ):
        answer = await auth.http.get(f"/auth/v1/{path}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, code)
    entries = [entry for entry in await told(auth) if entry.action == "access.denied"]
    assert [(entry.resource_id, entry.actor_id, entry.status) for entry in entries] == [
        ("system:read", ada, "DENIED"),
        ("events:read", ada, "DENIED"),
    ]


async def test_a_change_that_is_refused_is_not_told(auth: "Auth") -> None:
    await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    before = await told(auth)
    answer = await auth.http.patch(
        "/auth/v1/me/devices/01890000-0000-7000-8000-000000000001", json={"name": "x"}, headers=headers
    )
    assert answer.status_code == 404
    assert await told(auth) == before
