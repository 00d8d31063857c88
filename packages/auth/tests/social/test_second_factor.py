"""Another provider vouches for one factor, whatever it says of how it was shown, and for its own users alone."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth
    from packages.auth.tests.social.conftest import Administrator, Provider, Traveller

REFRESH = "SELECT id FROM auth_tokens WHERE type = 'REFRESH' AND status = 'ACTIVE'"


async def test_who_comes_by_a_provider_shows_his_second_factor_too(
    auth: "Auth", ada: "Traveller", provider: "Provider"
) -> None:
    session = (await ada.sign_in()).json()
    await auth.http.delete("/auth/v1/sessions/current", headers=auth.as_bearer(session["access_token"]))
    await auth.execute(
        "INSERT INTO two_factor_auth (user_id, is_enabled, primary_method, totp_secret, totp_verified_at) "
        "SELECT id, true, 'TOTP', '\\x00', now() FROM identities"
    )
    provider.claims |= {"amr": ["pwd", "otp", "mfa"], "acr": "urn:mace:incommon:iap:silver"}
    needed = await ada.sign_in()
    assert (needed.status_code, needed.json()["methods"]) == (202, ["TOTP"])
    assert await auth.rows(REFRESH) == []


async def test_the_same_subject_at_two_providers_is_two_people(
    auth: "Auth",
    ada: "Traveller",
    administrator: "Administrator",
    provider: "Provider",
    travellers: Callable[..., "Traveller"],
) -> None:
    await administrator.connect(provider.connection(name="other"))
    first = (await ada.sign_in()).json()["user_id"]
    provider.account["email"] = "somebody.else@example.com"
    second = await travellers("other").sign_in()
    assert second.status_code == 201
    assert second.json()["user_id"] != first
    linked = await auth.rows("SELECT provider, provider_id FROM oauth_providers ORDER BY provider")
    assert [row["provider"] for row in linked] == ["example", "other"]
    assert len({row["provider_id"] for row in linked}) == 1


async def test_a_journey_is_used_for_a_session_or_for_a_link_and_never_for_both(auth: "Auth", ada: "Traveller") -> None:
    await auth.verified("bob@example.com")
    headers = auth.as_bearer((await auth.sign_in("bob@example.com")).json()["access_token"])
    journey = await ada.journey()
    answers = await asyncio.gather(
        ada.use(journey), auth.http.post("/auth/v1/me/oauth-accounts", json=journey, headers=headers)
    )
    assert sorted(answer.status_code for answer in answers) == [201, 410]
    assert len(await auth.rows("SELECT id FROM oauth_providers")) == 1
