"""Social login against an OpenID Connect server that others have written (npm `oidc-provider`), over real HTTP."""

from typing import TYPE_CHECKING

import pytest

from orion_auth.oauth_connections import actions as oauth_connections
from orion_auth.providers.rules import ProviderError
from orion_auth.social.keeping import keep_once
from orion_auth.social.proofs import token_place
from orion_auth.social.routes import bridge_of

if TYPE_CHECKING:
    from tests.social.conftest import Auth

pytestmark = pytest.mark.slow


async def test_somebody_signs_in_and_comes_back(auth: "Auth", issuer: str) -> None:
    await auth.connect("example", issuer)
    first, second = await auth.sign_in("example", "ada"), await auth.sign_in("example", "ada")
    other = await auth.sign_in("example", "eve")
    assert (first.status_code, second.status_code, other.status_code) == (201, 201, 201), first.text
    assert first.json()["user_id"] == second.json()["user_id"] != other.json()["user_id"]
    linked = await auth.rows("SELECT provider_id, provider_email, profile FROM oauth_providers ORDER BY id")
    assert linked[0] == {"provider_id": "ada", "provider_email": "ada@example.com", "profile": {"name": "Ada Lovelace"}}
    emails = await auth.rows("SELECT email FROM identities WHERE email_verified_at IS NOT NULL ORDER BY id")
    assert [row["email"] for row in emails] == ["ada@example.com", "eve@example.com"]


async def test_its_refresh_tokens_are_rotated_again_and_again(auth: "Auth", issuer: str) -> None:
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


async def test_its_discovery_is_understood_and_a_wrong_secret_is_refused(auth: "Auth", issuer: str) -> None:
    await auth.connect("other", issuer, client_secret="wrong")
    found = await auth.http.get("/auth/v1/oauth-connections/other/discovery", headers=auth.administrator)
    assert found.json()["answers_with_issuer"] is True
    with pytest.raises(AssertionError, match="provider_failed"):
        await auth.sign_in("other", "ada")
    [attempt] = await auth.rows("SELECT failure_reason FROM login_attempts")
    assert attempt == {"failure_reason": "INVALID_CLIENT"}


async def test_its_tokens_are_given_back_when_an_account_is_unlinked(auth: "Auth", issuer: str) -> None:
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
