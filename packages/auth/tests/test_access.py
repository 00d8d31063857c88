"""Who reaches what, over every operation that auth serves: a route that is added is held to it from its first day.

The list of operations is the served OpenAPI document's, so none is forgotten.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from orion_core.ids import uuid7

if TYPE_CHECKING:
    import httpx
    from packages.auth.tests.conftest import Auth

OPEN = {
    "/auth/v1/identities",
    "/auth/v1/verifications",
    "/auth/v1/email-verifications",
    "/auth/v1/password-resets",
    "/auth/v1/sessions",
    "/auth/v1/challenges/answers",
    "/auth/v1/challenges/codes",
    "/auth/v1/challenges/enrolments",
    "/auth/v1/sign-in-mails",
    "/auth/v1/email-code-sessions",
    "/auth/v1/magic-link-sessions",
    "/auth/v1/challenges/passkey-options",
    "/auth/v1/challenges/passkey-answers",
    "/auth/v1/challenges/passkey-enrolments",
    "/auth/v1/challenges/passkey-enrolments/options",
    "/auth/v1/passkey-sessions",
    "/auth/v1/passkey-sessions/options",
    "/auth/v1/recoveries",
    "/auth/v1/recoveries/codes",
    "/auth/v1/recoveries/completions",
    "/auth/v1/sign-in-options",
    "/auth/oauth2/token",
    "/auth/oauth2/revoke",
    "/auth/oauth2/introspect",
    "/.well-known/oauth-authorization-server",
    "/auth/.well-known/jwks.json",
    "/livez",
    "/readyz",
    "/metrics",
}
"""What anybody may ask, since it is a way in or says what everybody may know."""

BY_SECRET = re.compile(r"\{token\}|/oauth-connections/\{name\}/(?:authorizations|callback)$|^/auth/v1/oauth-authoriz")
"""What is opened by a secret of its own: the link of a mail, the journey to a provider and back."""


@dataclass(frozen=True)
class Operation:
    """One operation of the document."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def is_secured(self) -> bool:
        return "security" in self.described

    def url(self, ids: dict[str, str]) -> str:
        """The path with its parameters filled in."""
        return re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1], str(uuid7())), self.path)

    async def ask(self, auth: "Auth", ids: dict[str, str], token: str | None) -> "httpx.Response":
        """As a caller with nothing to lose: no body that would be refused before the caller is."""
        headers = auth.as_bearer(token) if token is not None else {}
        return await auth.http.request(self.method, self.url(ids), headers=headers)


def operations(auth: "Auth") -> Iterator[Operation]:
    for path, methods in auth.application.openapi()["paths"].items():
        for method, described in methods.items():
            yield Operation(method.upper(), path, described)


async def token_of(auth: "Auth", email: str) -> str:
    await auth.verified(email)
    return (await auth.sign_in(email)).json()["access_token"]


async def test_what_is_neither_open_nor_opened_by_a_secret_needs_a_token(auth: "Auth") -> None:
    unguarded = [each for each in operations(auth) if not each.is_secured]
    assert {each.path for each in unguarded if not BY_SECRET.search(each.path)} - OPEN == set()
    for each in operations(auth):
        if each.is_secured:
            answer = await each.ask(auth, {}, None)
            assert answer.status_code == 401, each.path
            assert answer.headers["WWW-Authenticate"].startswith("Bearer, DPoP "), each.path


IDS = {
    "/auth/v1/sessions/{session_id}": "session_id",
    "/auth/v1/me/devices/{id}": "id",
    "/auth/v1/me/devices/{id}/trust": "id",
    "/auth/v1/me/devices/{id}/block": "id",
    "/auth/v1/me/passkeys/{id}": "id",
    "/auth/v1/me/oauth-accounts/{account}": "account",
    "/auth/v1/me/oauth-accounts/{account}/primary": "account",
}
"""What belongs to a user and is named by an id, by its parameter."""

OWN = {"/auth/v1/me/two-factor/methods/{method}", "/auth/v1/me/recovery-contacts/{channel}"}
"""What names something of the caller's by a word that everybody uses."""


async def what_ada_has(auth: "Auth") -> dict[str, dict[str, str]]:
    """One of each that she owns, by the path that reaches it."""
    user_id = await auth.verified("ada@example.com")
    body = {"email": "ada@example.com", "password": auth.password, "device_id": "laptop"}
    session = (await auth.http.post("/auth/v1/sessions", json=body)).json()
    await auth.execute(
        "INSERT INTO oauth_connections (name, protocol, client_id, issuer) "
        "VALUES ('example', 'OIDC', 'orion', 'https://accounts.example.com')"
    )
    await auth.execute(
        "INSERT INTO oauth_providers (user_id, provider, provider_id) VALUES (:id, 'example', '1')", id=user_id
    )
    await auth.execute(
        "INSERT INTO webauthn_credentials (user_id, credential_id, public_key, name) "
        "VALUES (:id, sha256('id'), sha256('key'), 'key')",
        id=user_id,
    )
    [row] = await auth.rows(
        'SELECT d.id AS devices, p.id AS "oauth-accounts", k.id AS passkeys '
        "FROM devices d, oauth_providers p, webauthn_credentials k"
    )
    of_me = {path: {parameter: str(row[path.split("/")[4]])} for path, parameter in IDS.items() if "/me/" in path}
    return of_me | {"/auth/v1/sessions/{session_id}": {"session_id": session["session_id"]}}


async def test_nobody_reaches_what_is_somebody_elses(auth: "Auth") -> None:
    hers = await what_ada_has(auth)
    eve = await token_of(auth, "eve@example.com")
    tables = (
        "devices",
        "auth_tokens",
        "session_blacklist",
        "identities",
        "two_factor_auth",
        "oauth_providers",
        "webauthn_credentials",
    )
    before = [await auth.rows(f"SELECT to_jsonb(t) FROM {table} t ORDER BY 1") for table in tables]
    for each in operations(auth):
        if "{" not in each.path or not each.is_secured:
            continue
        answer = await each.ask(auth, hers.get(each.path, {}), eve)
        if each.path in IDS:
            # 422: a body is missing, which is found before anything is looked up.
            assert answer.status_code in ((404, 422) if "requestBody" in each.described else (404,)), each
        elif each.path not in OWN:
            assert answer.status_code == 403, f"{each.method} {each.path}: for administrators, or to be listed here"
    assert [await auth.rows(f"SELECT to_jsonb(t) FROM {table} t ORDER BY 1") for table in tables] == before


async def test_only_administrators_reach_what_is_for_them(auth: "Auth") -> None:
    """Whatever has an administrator's tag refuses users and services, whichever their rights are elsewhere."""
    eve, service = await token_of(auth, "eve@example.com"), await auth.service_token()
    reached = [
        each for each in operations(auth) if each.is_secured and not re.search(r"/me/|/me$|/sessions", each.path)
    ]
    assert len(reached) > 20
    for each in reached:
        if each.path in ("/auth/v1/events", "/auth/v1/revocations"):
            assert (await each.ask(auth, {}, eve)).status_code == 403, each
            continue
        assert [(await each.ask(auth, {}, token)).status_code for token in (eve, service)] == [403, 403], each


async def test_services_reach_nothing_that_is_a_users(auth: "Auth") -> None:
    service = await auth.service_token()
    for each in operations(auth):
        if each.is_secured and re.search(r"/me/|/me$|/sessions", each.path):
            answer = await each.ask(auth, {}, service)
            # 401: a change that needs a recent proof, which a service cannot give.
            assert answer.status_code in (401, 403, 422), each
            if answer.status_code == 422:
                assert "requestBody" in each.described or "{" in each.path, each


OF_BROWSERS = {"UsedCredential", "MadeCredential", "AssertionResponse", "AttestationResponse"} | {
    "CredentialProperties",
    "ExtensionResults",
}
"""What a browser makes of WebAuthn, each its own way: what is not known of it is passed over."""


def referred(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object that a schema leads to, by name."""
    waiting, seen = [schema], set[str]()
    while waiting:
        part = waiting.pop()
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            if name in seen:
                continue
            seen.add(name)
            part = document["components"]["schemas"][name]
            if part.get("type") == "object":
                yield name, part
        waiting += [each for key in ("anyOf", "oneOf", "allOf") for each in part.get(key, [])]
        waiting += list(part.get("properties", {}).values())
        waiting += [part[key] for key in ("items", "additionalProperties") if isinstance(part.get(key), dict)]


async def test_no_body_has_room_for_fields_that_nobody_asked_for(openapi: dict[str, Any]) -> None:
    """Mass assignment: `"is_admin": true` is an error, wherever it is put."""
    lax: list[str] = []
    for path, methods in openapi["paths"].items():
        for described in methods.values():
            content = described.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                lax += [
                    f"{path}: {name}"
                    for name, schema in referred(openapi, content["schema"])
                    if schema.get("additionalProperties") is not False and name not in OF_BROWSERS
                ]
    assert lax == []


async def test_no_secret_question_and_no_hint(openapi: dict[str, Any]) -> None:
    """Nothing that others may know or find out is asked or kept in a password's place."""
    fields = {
        field
        for schema in openapi["components"]["schemas"].values()
        for field in schema.get("properties", {})
        if re.search(r"question|password_hint|reminder|maiden|birth|secret_answer", field)
    }
    assert fields == set()


@pytest.fixture
async def openapi(auth: "Auth") -> dict[str, Any]:
    """The document that auth serves."""
    return (await auth.http.get("/auth/v1/openapi.json")).json()


async def test_ids_tell_nothing_apart_from_when(openapi: dict[str, Any]) -> None:
    """What is named by an id is named by a UUID: nobody counts on from his own."""
    named = [
        (path, parameter["name"], parameter["schema"])
        for path, methods in openapi["paths"].items()
        for described in methods.values()
        for parameter in described.get("parameters", [])
        if parameter["in"] == "path" and (parameter["name"].endswith("id") or parameter["name"] == "account")
    ]
    assert named
    assert [each for each in named if each[2].get("format") != "uuid"] == []
