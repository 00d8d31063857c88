"""Configuring providers."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from orion_auth.oauth_connections.presets import Preset, beginning
from orion_auth.oauth_connections.rules import is_of_others
from orion_auth.providers.rules import Account, read_account
from orion_auth.providers.rules import Provider as Configured

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth
    from packages.auth.tests.social.conftest import Administrator, Provider

PATH = "/auth/v1/oauth-connections"
DISCOVERY = "/.well-known/openid-configuration"
APPLE: dict[str, Any] = {"team_id": "TEAM", "key_id": "KEY"}

UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"issuer": "http://id.example.com"}, "/issuer"),
    ({"issuer": "https://user@id.example.com"}, "/issuer"),
    ({"issuer": "https://169.254.169.254"}, "/issuer"),
    ({"issuer": "https://[::ffff:169.254.169.254]"}, "/issuer"),
    ({"issuer": None}, "/issuer"),
    ({"issuer": "https://id.example.com?tenant=1"}, "/issuer"),
    ({"token_url": "ftp://id.example.com"}, "/token_url"),
    ({"scopes": ["email"]}, "/scopes"),
    ({"scopes": ["openid", "a b"]}, "/scopes"),
    ({"claim_mapping": {"password": "x"}}, "/claim_mapping"),
    ({"claim_mapping": {"email": "a..b"}}, "/claim_mapping"),
    ({"authorization_parameters": {"state": "mine"}}, "/authorization_parameters"),
    ({"auto_link_domains": ["Example.com"]}, "/auto_link_domains"),
    ({"client_secret": None}, "/client_secret"),
    ({"client_authentication": "APPLE_JWT"}, "/team_id"),
    ({"protocol": "OAUTH2"}, "/userinfo_url"),
]

HOSTILE: list[tuple[str, Response, str]] = [
    (DISCOVERY, JSONResponse({"issuer": "https://evil.example"}), "WRONG_ISSUER"),
    (DISCOVERY, JSONResponse({}), "WRONG_ISSUER"),
    (DISCOVERY, JSONResponse([1]), "NOT_JSON"),
    (DISCOVERY, JSONResponse({}, 500), "NO_DISCOVERY"),
    (DISCOVERY, PlainTextResponse("{}"), "NOT_JSON"),
    (DISCOVERY, Response(b"[" * 100_000, media_type="application/json"), "NOT_JSON"),
    (DISCOVERY, Response(b" " * 300_000, media_type="application/json"), "TOO_LARGE"),
    (DISCOVERY, RedirectResponse("http://169.254.169.254/latest/"), "REDIRECTED"),
    ("/jwks", JSONResponse({"keys": []}), "NO_KEYS"),
    ("/jwks", JSONResponse({"keys": ["x", {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "RSA"}]}), "NO_KEYS"),
    ("/jwks", JSONResponse({"keys": 7}), "NO_KEYS"),
]

LEADING_INSIDE: list[dict[str, Any]] = [
    {"token_endpoint": "http://169.254.169.254/latest/meta-data/"},
    {"jwks_uri": "file:///etc/passwd"},
    {"userinfo_endpoint": "http://internal.example/"},
    {"jwks_uri": ["x"]},
]


PERSONS: list[tuple[Preset, dict[str, Any], Account]] = [
    (
        Preset.GOOGLE,
        {"sub": "117", "email": "ada@example.com", "email_verified": True, "name": "Ada", "locale": "de"},
        Account("117", "ada@example.com", True, {"name": "Ada", "locale": "de"}),
    ),
    (
        Preset.MICROSOFT,
        {"sub": "AAAA", "email": "ada@example.com", "xms_edov": "1", "preferred_username": "ada@example.com"},
        Account("AAAA", "ada@example.com", True, {"username": "ada@example.com"}),
    ),
    (
        Preset.MICROSOFT,
        {"sub": "AAAA", "email": "ada@example.com", "xms_edov": "0", "email_verified": True},
        Account("AAAA", "ada@example.com", False, {}),
    ),
    (
        Preset.APPLE,
        {"sub": "001.a", "email": "x@privaterelay.appleid.com", "email_verified": "true", "is_private_email": "true"},
        Account("001.a", "x@privaterelay.appleid.com", True, {}),
    ),
    (
        Preset.GITHUB,
        {"id": 583231, "login": "ada", "name": None, "avatar_url": "https://a.example/1", "email": "ada@example.com"}
        | {"email_verified": True},  # as `/user/emails` has it
        Account("583231", "ada@example.com", True, {"username": "ada", "picture": "https://a.example/1"}),
    ),
    (
        Preset.DISCORD,
        {"id": "80351110224678912", "username": "ada", "global_name": "Ada", "email": "ada@example.com"}
        | {"verified": True, "avatar": "8342729096ea3675442027381ff50dfe", "locale": "en-US"},
        Account("80351110224678912", "ada@example.com", True, {"name": "Ada", "username": "ada", "locale": "en-US"}),
    ),
    (
        Preset.FACEBOOK,
        {"id": "10224", "name": "Ada", "email": "ada@example.com", "email_verified": True}
        | {"picture": {"data": {"url": "https://p.example/1"}}},
        Account("10224", "ada@example.com", False, {"name": "Ada", "picture": "https://p.example/1"}),
    ),
]
"""Whom each of the presets tells of in words of its own, and what is read of it."""


def configured(preset: Preset, **said: Any) -> Configured:
    known: dict[str, Any] = beginning(preset) | {"name": "x", "client_id": "c"} | said
    return Configured(**{field.name: known[field.name] for field in fields(Configured)})


@pytest.mark.parametrize(("preset", "told", "account"), PERSONS)
def test_each_preset_reads_a_person_as_its_provider_writes_one(
    preset: Preset, told: dict[str, Any], account: Account
) -> None:
    assert read_account(configured(preset), told) == account


class TestConfiguring:
    async def test_a_preset_needs_only_a_client(self, administrator: "Administrator") -> None:
        for preset in Preset:
            further = APPLE if preset is Preset.APPLE else {}
            name = preset.value.lower()
            body = {"name": name, "preset": preset.value, "client_id": "c", "client_secret": "s"} | further
            made = await administrator.connect(body)
            assert made["redirect_uri"] == f"http://auth.test{PATH}/{name}/callback"
            assert made["is_enabled"] is False

    async def test_the_secret_is_sealed_and_never_read_back(
        self, auth: "Auth", administrator: "Administrator", provider: "Provider"
    ) -> None:
        made = await administrator.connect(provider.connection(client_secret="a most secret secret"))
        listed = await auth.http.get(PATH, headers=administrator.headers)
        assert made["has_client_secret"] is True and "client_secret" not in made
        assert "a most secret secret" not in listed.text
        [row] = await auth.rows("SELECT client_secret FROM oauth_connections")
        assert b"a most secret secret" not in row["client_secret"]

    async def test_nobody_overwrites_what_he_has_not_seen(
        self, auth: "Auth", administrator: "Administrator", provider: "Provider"
    ) -> None:
        await administrator.connect(provider.connection())
        seen = (await auth.http.get(f"{PATH}/example", headers=administrator.headers)).headers["etag"]
        await administrator.change("example", display_name="Another")
        headers = administrator.headers | {"If-Match": seen}
        late = await auth.http.patch(f"{PATH}/example", json={"is_enabled": False}, headers=headers)
        without = await auth.http.patch(f"{PATH}/example", json={}, headers=administrator.headers)
        assert (late.status_code, without.status_code) == (412, 428)
        [row] = await auth.rows("SELECT display_name, is_enabled FROM oauth_connections")
        assert row == {"display_name": "Another", "is_enabled": True}

    async def test_one_name_one_connection(
        self, auth: "Auth", administrator: "Administrator", provider: "Provider"
    ) -> None:
        await administrator.connect(provider.connection())
        again = await auth.http.post(PATH, json=provider.connection(), headers=administrator.headers)
        assert (again.status_code, again.json()["code"]) == (409, "name_taken")

    async def test_one_that_nobody_uses_can_go(
        self, auth: "Auth", administrator: "Administrator", provider: "Provider"
    ) -> None:
        await administrator.connect(provider.connection())
        gone = await auth.http.delete(f"{PATH}/example", headers=administrator.headers | {"If-Match": "*"})
        missing = await auth.http.get(f"{PATH}/example", headers=administrator.headers)
        assert (gone.status_code, missing.status_code) == (204, 404)

    async def test_what_cannot_work_is_refused(self, auth: "Auth", administrator: "Administrator") -> None:
        for changes, field in UNUSABLE:
            body = {"name": "x", "issuer": "https://id.example.com", "client_id": "c", "client_secret": "s"} | changes
            answer = await auth.http.post(PATH, json=body, headers=administrator.headers)
            assert answer.status_code == 422, changes
            assert field in [error["field"] for error in answer.json()["errors"]], changes
        assert await auth.rows("SELECT name FROM oauth_connections") == []

    async def test_its_secret_goes_to_no_other_place_than_it_was_given_for(
        self, auth: "Auth", administrator: "Administrator", provider: "Provider"
    ) -> None:
        await administrator.connect(provider.connection())
        headers = administrator.headers | {"If-Match": "*"}
        for changes in ({"token_url": "https://evil.example/token"}, {"issuer": "https://evil.example.net"}):
            refused = await auth.http.patch(f"{PATH}/example", json=changes, headers=headers)
            assert refused.status_code == 422, changes
            assert [error["field"] for error in refused.json()["errors"]] == ["/client_secret"]
            again = await auth.http.patch(
                f"{PATH}/example", json=changes | {"client_secret": "another"}, headers=headers
            )
            assert again.status_code == 200, again.text

    async def test_is_for_administrators(self, auth: "Auth") -> None:
        await auth.verified()
        token = (await auth.sign_in()).json()["access_token"]
        for headers, status in (({}, 401), (auth.as_bearer(token), 403)):
            assert (await auth.http.get(PATH, headers=headers)).status_code == status
            assert (await auth.http.post(PATH, json={}, headers=headers)).status_code == status

    def test_one_tenant_of_many_is_the_same_provider_and_many_are_not_the_one(self) -> None:
        def microsoft(tenant: str, **more: Any) -> Configured:
            issuer = f"https://login.microsoftonline.com/{tenant}/v2.0"
            return configured(Preset.MICROSOFT, issuer=issuer, **more)

        many, one = microsoft("{tenantid}"), microsoft("9188040d-6c67-4c5b-b112-36a304b66dad")
        assert not is_of_others(many, one)
        assert is_of_others(one, many)
        assert is_of_others(many, microsoft("evil"))
        assert is_of_others(one, microsoft("9188040d-6c67-4c5b-b112-36a304b66dae"))
        assert is_of_others(many, microsoft("{tenantid}", claim_mapping={"subject": "email"}))


class TestDiscovery:
    async def test_tells_what_the_provider_says_of_itself(
        self, auth: "Auth", administrator: "Administrator", provider: "Provider"
    ) -> None:
        await administrator.connect(provider.connection())
        found = await auth.http.get(f"{PATH}/example/discovery", headers=administrator.headers)
        assert found.status_code == 200
        assert (found.json()["token_url"], found.json()["keys"]) == (f"{provider.url}/token", 1)

    async def test_names_what_is_wrong_with_a_provider(
        self, auth: "Auth", administrator: "Administrator", provider: "Provider"
    ) -> None:
        await administrator.connect(provider.connection())
        for path, answer, reason in HOSTILE:
            provider.answers = {path: answer}
            found = await auth.http.get(f"{PATH}/example/discovery", headers=administrator.headers)
            assert (found.status_code, found.json()["code"]) == (502, "provider_unusable")
            assert reason in found.json()["detail"]

    async def test_an_endpoint_that_leads_inside_is_not_used(
        self, auth: "Auth", administrator: "Administrator", provider: "Provider"
    ) -> None:
        await administrator.connect(provider.connection())
        for metadata in LEADING_INSIDE:
            provider.metadata = metadata
            found = await auth.http.get(f"{PATH}/example/discovery", headers=administrator.headers)
            assert found.status_code == 502 and "FORBIDDEN_URL" in found.json()["detail"]
