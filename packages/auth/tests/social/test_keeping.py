"""What providers gave us is kept good while nobody signs in."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from starlette.responses import JSONResponse

from orion_auth.social.bridge import Bridge
from orion_auth.social.keeping import keep_once
from orion_auth.social.routes import bridge_of
from orion_auth.social.rules import LEASE
from orion_contracts.events import IdentityProfileChanged

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth
    from packages.auth.tests.social.conftest import Provider, Traveller

ACCOUNT = """SELECT access_token, refresh_token, token_expires_at, refresh_failures, access_ended_at, sync_due_at,
  last_synced_at, profile, provider_email FROM oauth_providers"""


def bridge(auth: "Auth") -> Bridge:
    return bridge_of(auth.application.state.components)


async def account(auth: "Auth") -> dict[str, Any]:
    [row] = await auth.rows(ACCOUNT)
    return row


def refreshes(provider: "Provider") -> int:
    return sum(form["grant_type"] == "refresh_token" for form in provider.forms)


class TestTokens:
    async def test_are_refreshed_ahead_of_their_end_by_one_of_many_processes(
        self, auth: "Auth", another_auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        await ada.sign_in()
        before = await account(auth)
        auth.clock.advance(minutes=50)
        await keep_once(bridge(auth), auth.clock())
        assert refreshes(provider) == 0, "not yet"
        now = auth.clock.advance(minutes=6)
        provider.delay["/token"] = 0.1
        await asyncio.gather(*(keep_once(bridge(each), now) for each in (auth, another_auth) * 4))
        assert refreshes(provider) == 1
        after = await account(auth)
        assert after["token_expires_at"] > before["token_expires_at"]
        assert after["refresh_token"] != before["refresh_token"]
        assert [
            flow["id"] for flow in await auth.rows("SELECT id FROM security_events WHERE category = 'SOCIAL'")
        ] == []

    async def test_nobody_waits_for_an_account_that_another_process_is_claiming(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        await ada.sign_in()
        now = auth.clock.advance(minutes=56)
        async with auth.owner.transaction() as claiming, asyncio.timeout(5):
            await claiming.connection.execute(text("SELECT id FROM oauth_providers FOR UPDATE"))
            await asyncio.gather(*(keep_once(bridge(auth), now) for _ in range(4)))
            assert refreshes(provider) == 0
        await keep_once(bridge(auth), now)
        assert refreshes(provider) == 1

    async def test_that_live_for_minutes_are_refreshed_in_the_middle_of_their_life(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        provider.expires_in = 300
        await ada.sign_in()
        for asked in range(1, 5):
            for _ in range(3):
                await keep_once(bridge(auth), auth.clock())
            assert refreshes(provider) == asked, "not again at once"
            assert (await account(auth))["token_expires_at"] > auth.clock.advance(seconds=150)

    async def test_a_provider_that_fails_is_asked_less_and_less(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        await ada.sign_in()
        provider.answers["/token"] = JSONResponse({"error": "temporarily_unavailable"}, 503)
        now = auth.clock.advance(minutes=56)
        await keep_once(bridge(auth), now)
        await keep_once(bridge(auth), now)
        assert (refreshes(provider), provider.asked.count("/token")) == (0, 2)
        await keep_once(bridge(auth), auth.clock.advance(minutes=1))
        await keep_once(bridge(auth), auth.clock.advance(minutes=1))
        assert provider.asked.count("/token") == 3, "two minutes after the second failure"
        assert (await account(auth))["refresh_failures"] == 2
        provider.answers.clear()
        await keep_once(bridge(auth), auth.clock.advance(minutes=2))
        assert ((await account(auth))["refresh_failures"], refreshes(provider)) == (0, 1)

    async def test_that_were_taken_back_are_forgotten_and_noted_until_the_next_sign_in(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        await ada.sign_in()
        provider.refresh_tokens.clear()
        await keep_once(bridge(auth), auth.clock.advance(minutes=56))
        ended = await account(auth)
        assert (ended["access_token"], ended["refresh_token"]) == (None, None)
        assert ended["access_ended_at"] is not None
        [event] = await auth.rows("SELECT event_type FROM security_events WHERE category = 'SOCIAL'")
        assert event == {"event_type": "social.access_ended"}
        await ada.sign_in()
        mended = await account(auth)
        assert mended["access_ended_at"] is None and mended["refresh_token"] is not None

    async def test_a_process_that_dies_over_it_is_replaced(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        await ada.sign_in()
        now = auth.clock.advance(minutes=56)
        await auth.execute("UPDATE oauth_providers SET refresh_retry_at = :until", until=now + LEASE)
        await keep_once(bridge(auth), now)
        assert refreshes(provider) == 0
        await keep_once(bridge(auth), auth.clock.advance(seconds=LEASE.total_seconds()))
        assert refreshes(provider) == 1

    async def test_those_of_a_sign_in_meanwhile_are_kept(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        await ada.sign_in()

        async def sign_in_meanwhile() -> None:
            await auth.execute("UPDATE oauth_providers SET refresh_token = '\\x01', access_token = '\\x02'")

        provider.before["/token"] = sign_in_meanwhile
        await keep_once(bridge(auth), auth.clock.advance(minutes=56))
        assert refreshes(provider) == 1
        assert (await account(auth))["refresh_token"] == b"\x01"

    async def test_what_takes_the_place_of_a_used_one_is_kept_beside_the_access_token_of_a_sign_in_meanwhile(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        """Many providers give a refresh token at the first sign-in alone, and another one whenever it is used."""
        await ada.sign_in()
        before = await account(auth)

        async def sign_in_meanwhile() -> None:
            ends = auth.clock() + timedelta(minutes=50)
            await auth.execute(
                "UPDATE oauth_providers SET access_token = '\\x02', token_expires_at = :ends, refresh_retry_at = NULL",
                ends=ends,
            )

        provider.before["/token"] = sign_in_meanwhile
        await keep_once(bridge(auth), auth.clock.advance(minutes=56))
        after = await account(auth)
        assert after["access_token"] == b"\x02", "that of the sign-in"
        assert after["refresh_token"] != before["refresh_token"]
        provider.before.clear()
        await keep_once(bridge(auth), auth.clock.advance(minutes=46))
        assert refreshes(provider) == 2
        assert (await account(auth))["access_ended_at"] is None, "the provider takes it"


class TestProfiles:
    async def test_are_read_again_every_day_and_told_when_they_changed(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        await ada.sign_in()
        provider.expires_in = 10 * 24 * 3600
        await ada.sign_in()
        asked = provider.asked.count("/me")
        provider.account |= {"name": "Augusta Ada King", "email": "countess@example.com"}
        await keep_once(bridge(auth), auth.clock.advance(hours=23))
        assert provider.asked.count("/me") == asked, "not yet"
        now = auth.clock.advance(hours=2)
        await asyncio.gather(*(keep_once(bridge(auth), now) for _ in range(4)))
        await keep_once(bridge(auth), auth.clock.advance(hours=25))
        assert provider.asked.count("/me") == asked + 2
        told = await auth.rows(
            "SELECT data FROM outbox WHERE type = :t ORDER BY sequence", t=IdentityProfileChanged.type
        )
        assert [row["data"]["name"] for row in told] == ["Ada Lovelace", "Augusta Ada King"]
        read = await account(auth)
        assert (read["provider_email"], read["profile"]["name"]) == ("countess@example.com", "Augusta Ada King")
        assert [row["email"] for row in await auth.rows("SELECT email FROM identities")] == ["ada@example.com"]

    async def test_somebody_else_s_profile_is_not_taken(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        provider.expires_in = 10 * 24 * 3600
        await ada.sign_in()
        provider.account |= {"sub": "somebody-else", "name": "Eve"}
        await keep_once(bridge(auth), auth.clock.advance(hours=25))
        assert (await account(auth))["profile"]["name"] == "Ada Lovelace"

    async def test_a_provider_without_such_an_endpoint_is_asked_once(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        provider.expires_in = 10 * 24 * 3600
        provider.metadata = {"userinfo_endpoint": None}
        provider.in_id_token = ("email", "email_verified")
        await ada.sign_in()
        await keep_once(bridge(auth), auth.clock.advance(hours=25))
        assert (await account(auth))["sync_due_at"] is None

    async def test_one_that_gave_no_refresh_token_is_asked_no_more_once_its_token_has_ended(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        await ada.sign_in()
        await auth.execute("UPDATE oauth_providers SET refresh_token = NULL")
        await keep_once(bridge(auth), auth.clock.advance(hours=25))
        assert (await account(auth))["sync_due_at"] is None, "else its row is claimed every hour, for ever"
        await ada.sign_in()
        assert (await account(auth))["sync_due_at"] is not None
