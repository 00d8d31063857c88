"""The accounts elsewhere that a user has linked."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import text
from starlette.responses import RedirectResponse, Response

from orion_contracts.account_messages import SecurityNoticeRaised

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth
    from packages.auth.tests.social.conftest import Administrator, Provider, Traveller

PATH = "/auth/v1/me/oauth-accounts"


class Person:
    """Somebody who is signed in here and travels to providers."""

    def __init__(self, auth: "Auth", traveller: "Traveller", access_token: str) -> None:
        self.traveller = traveller
        self.http = auth.http
        self.headers = auth.as_bearer(access_token)

    async def link(self, journey: dict[str, str] | None = None) -> httpx.Response:
        """Link by a journey, a new one unless said."""
        made = journey or await self.traveller.journey()
        return await self.http.post(PATH, json=made, headers=self.headers)

    async def listed(self) -> list[dict[str, Any]]:
        """The linked accounts."""
        return (await self.http.get(PATH, headers=self.headers)).json()["items"]

    async def unlink(self, account_id: str) -> httpx.Response:
        """Take one off."""
        return await self.http.delete(f"{PATH}/{account_id}", headers=self.headers)


async def with_password(auth: "Auth", traveller: "Traveller", email: str = "ada@example.com") -> Person:
    await auth.verified(email)
    return Person(auth, traveller, (await auth.sign_in(email)).json()["access_token"])


async def test_who_has_an_account_with_the_address_signs_in_and_links_by_the_same_journey(
    auth: "Auth", ada: "Traveller"
) -> None:
    person = await with_password(auth, ada)
    journey = await ada.journey()
    assert (await ada.use(journey)).json()["code"] == "account_exists"
    linked = await person.link(journey)
    assert linked.status_code == 201, linked.text
    assert (linked.json()["provider"], linked.json()["is_primary"]) == ("example", True)
    assert (await person.link(journey)).status_code == 410, "a journey is used once"
    by_provider = await ada.sign_in()
    assert by_provider.status_code == 201
    [event] = await auth.rows("SELECT event_type, details, was_notified FROM security_events WHERE category = 'SOCIAL'")
    assert event == {"event_type": "social.linked", "details": {"provider": "example"}, "was_notified": True}
    assert {row["id"] for row in await auth.rows("SELECT user_id AS id FROM oauth_providers")} == {
        row["id"] for row in await auth.rows("SELECT id FROM identities")
    }


async def test_linking_twice_is_linking_once(auth: "Auth", ada: "Traveller") -> None:
    person = await with_password(auth, ada)
    first, second = (await person.link()).json(), (await person.link()).json()
    assert first["id"] == second["id"]
    assert len(await person.listed()) == 1


async def test_an_account_elsewhere_leads_to_one_account_here(
    auth: "Auth", ada: "Traveller", travellers: "Callable[..., Traveller]"
) -> None:
    await ada.sign_in()
    eve = await with_password(auth, travellers(), "eve@example.com")
    refused = await eve.link()
    assert (refused.status_code, refused.json()["code"]) == (409, "linked_elsewhere")


async def test_two_people_who_link_it_at_once_are_one_too_many(
    auth: "Auth", ada: "Traveller", travellers: "Callable[..., Traveller]", provider: "Provider"
) -> None:
    people = [
        await with_password(auth, travellers(), "one@example.com"),
        await with_password(auth, travellers(), "two@example.com"),
    ]
    journeys = [await person.traveller.journey() for person in people]
    answers = await asyncio.gather(*(person.link(journey) for person, journey in zip(people, journeys, strict=True)))
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_a_dangerous_change_needs_a_recent_proof(auth: "Auth", ada: "Traveller") -> None:
    person = await with_password(auth, ada)
    account = (await person.link()).json()
    auth.clock.advance(minutes=6)
    journey = await ada.journey()
    for answer in (await person.link(journey), await person.unlink(account["id"])):
        assert (answer.status_code, answer.json()["code"]) == (401, "reauthentication_required")
    assert len(await person.listed()) == 1


async def test_the_last_way_in_stays(auth: "Auth", ada: "Traveller") -> None:
    person = Person(auth, ada, (await ada.sign_in()).json()["access_token"])
    [account] = await person.listed()
    refused = await person.unlink(account["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "last_way_in")
    assert len(await person.listed()) == 1


async def test_of_two_ways_in_one_stays_however_fast_they_are_taken(
    auth: "Auth",
    ada: "Traveller",
    administrator: "Administrator",
    provider: "Provider",
    travellers: "Callable[..., Traveller]",
) -> None:
    await administrator.connect(provider.connection(name="other"))
    person = Person(auth, ada, (await ada.sign_in()).json()["access_token"])
    other = Person(auth, travellers("other"), "")
    other.headers = person.headers
    assert (await other.link()).status_code == 201
    accounts = await person.listed()
    answers = await asyncio.gather(*(person.unlink(account["id"]) for account in accounts))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    [left] = await person.listed()
    assert left["is_primary"]


async def test_a_key_that_is_only_touched_is_no_way_in_and_a_passkey_is(auth: "Auth", ada: "Traveller") -> None:
    person = Person(auth, ada, (await ada.sign_in()).json()["access_token"])
    [account] = await person.listed()
    await auth.execute(
        "INSERT INTO webauthn_credentials (user_id, credential_id, public_key, name) "
        "SELECT id, decode(repeat('ab', 32), 'hex'), '\\x00', 'key' FROM identities"
    )
    assert (await person.unlink(account["id"])).json()["code"] == "last_way_in"
    await auth.execute("UPDATE webauthn_credentials SET user_verified = true, is_discoverable = false")
    assert (await person.unlink(account["id"])).json()["code"] == "last_way_in"
    await auth.execute("UPDATE webauthn_credentials SET is_discoverable = true")
    assert (await person.unlink(account["id"])).status_code == 204


async def test_one_that_is_switched_off_is_no_way_in(
    auth: "Auth",
    ada: "Traveller",
    administrator: "Administrator",
    provider: "Provider",
    travellers: "Callable[..., Traveller]",
) -> None:
    await administrator.connect(provider.connection(name="other"))
    person = Person(auth, ada, (await ada.sign_in()).json()["access_token"])
    other = Person(auth, travellers("other"), "")
    other.headers = person.headers
    second = (await other.link()).json()
    await administrator.change("example", is_enabled=False)
    assert (await person.unlink(second["id"])).json()["code"] == "last_way_in"


async def test_unlinking_is_told_and_leaves_a_primary(
    auth: "Auth",
    ada: "Traveller",
    administrator: "Administrator",
    provider: "Provider",
    travellers: "Callable[..., Traveller]",
) -> None:
    await administrator.connect(provider.connection(name="other"))
    person = await with_password(auth, ada)
    first = (await person.link()).json()
    other = Person(auth, travellers("other"), "")
    other.headers = person.headers
    second = (await other.link()).json()
    assert [account["is_primary"] for account in await person.listed()] == [True, False]
    made = await auth.http.put(f"{PATH}/{second['id']}/primary", headers=person.headers)
    assert made.status_code == 204
    assert [account["is_primary"] for account in await person.listed()] == [False, True]
    assert (await person.unlink(second["id"])).status_code == 204
    assert [(account["id"], account["is_primary"]) for account in await person.listed()] == [(first["id"], True)]
    events = await auth.rows("SELECT event_type FROM security_events WHERE category = 'SOCIAL' ORDER BY created_at")
    assert events[-1] == {"event_type": "social.unlinked"}
    rows = await auth.rows(
        "SELECT data FROM outbox WHERE type = :type ORDER BY sequence", type=SecurityNoticeRaised.type
    )
    notices = [SecurityNoticeRaised.read(row["data"]) for row in rows]
    assert [(notice.notice, notice.details) for notice in notices if notice.notice.startswith("social.")] == [
        ("social.linked", {"SUBJECT": "example"}),
        ("social.linked", {"SUBJECT": "other"}),
        ("social.unlinked", {"SUBJECT": "other"}),
    ], "the owner reads which provider it is"
    assert (await ada.use(await travellers("other").journey())).json()["code"] == "account_exists"


async def test_unlinking_gives_the_tokens_back(auth: "Auth", ada: "Traveller", provider: "Provider") -> None:
    person = await with_password(auth, ada)
    account = (await person.link()).json()
    assert (len(provider.refresh_tokens), len(provider.access_tokens)) == (1, 1)
    assert (await person.unlink(account["id"])).status_code == 204
    assert (provider.refresh_tokens, provider.access_tokens) == (set(), set())


async def test_a_provider_that_takes_no_tokens_back_keeps_nobody(
    auth: "Auth", ada: "Traveller", provider: "Provider"
) -> None:
    person = await with_password(auth, ada)
    for answer in (Response(status_code=500), RedirectResponse("https://elsewhere.example.com/", 307)):
        provider.answers["/revoke"] = answer
        assert (await person.unlink((await person.link()).json()["id"])).status_code == 204
    assert provider.asked.count("/revoke") == 2
    assert await person.listed() == []


@pytest.mark.parametrize("endpoint", [None, "http://198.51.100.1/", 7])
async def test_a_provider_without_a_good_place_for_that_is_not_asked(
    auth: "Auth", ada: "Traveller", provider: "Provider", endpoint: Any
) -> None:
    provider.metadata["revocation_endpoint"] = endpoint
    person = await with_password(auth, ada)
    assert (await person.unlink((await person.link()).json()["id"])).status_code == 204
    assert "/revoke" not in provider.asked


async def test_nobody_touches_what_is_somebody_else_s(
    auth: "Auth", ada: "Traveller", travellers: "Callable[..., Traveller]"
) -> None:
    await ada.sign_in()
    [row] = await auth.rows("SELECT id FROM oauth_providers")
    eve = await with_password(auth, travellers(), "eve@example.com")
    primary = await auth.http.put(f"{PATH}/{row['id']}/primary", headers=eve.headers)
    assert ((await eve.unlink(row["id"])).status_code, primary.status_code) == (404, 404)
    assert await eve.listed() == []
    assert len(await auth.rows("SELECT id FROM oauth_providers WHERE is_primary")) == 1


async def test_a_provider_that_is_in_use_is_not_deleted(
    auth: "Auth", ada: "Traveller", administrator: "Administrator"
) -> None:
    await ada.sign_in()
    headers = administrator.headers | {"If-Match": "*"}
    refused = await auth.http.delete("/auth/v1/oauth-connections/example", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "connection_in_use")


async def test_nobody_else_comes_to_say_who_the_people_are_that_are_linked(
    auth: "Auth", ada: "Traveller", administrator: "Administrator", provider: "Provider"
) -> None:
    """Another issuer has subjects of its own, and `248289761001` may be anybody there."""
    path, headers = "/auth/v1/oauth-connections/example", administrator.headers | {"If-Match": "*"}
    elsewhere = "https://id.example.net"
    said_again = {"client_secret": "another"}
    await ada.sign_in()
    for changes in (
        {"issuer": elsewhere},
        {"issuer": f"{provider.url}/realms/other"},
        {"jwks_url": f"{elsewhere}/jwks"},
        {"token_url": f"{elsewhere}/token"},
        {"userinfo_url": f"{elsewhere}/me"},
        {"discovery_url": f"{elsewhere}/.well-known/openid-configuration"},
        {"claim_mapping": {"subject": "email"}},
    ):
        refused = await auth.http.patch(path, json=changes | said_again, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (409, "connection_in_use"), changes
    own = {"token_url": f"{provider.url}/token", "scopes": ["openid"]}
    kept = await auth.http.patch(path, json=own, headers=headers)
    assert kept.status_code == 200, "another path of the provider that it was is its own affair"
    await auth.execute("DELETE FROM oauth_providers")
    await ada.journey()
    still = await auth.http.patch(path, json={"issuer": elsewhere} | said_again, headers=headers)
    assert still.status_code == 409, "what has just been proved may yet be linked"
    await auth.execute("DELETE FROM oauth_flows")
    free = await auth.http.patch(path, json={"issuer": elsewhere, "token_url": None} | said_again, headers=headers)
    assert free.status_code == 200, free.text


async def test_who_is_unlinked_at_the_moment_he_comes_in_does_not(auth: "Auth", ada: "Traveller") -> None:
    """ "This wasn't me" takes a stranger's link away and raises the epoch: what is under way must not outlive it."""
    await ada.sign_in()
    journey = await ada.journey()
    async with auth.application.state.components.database.transaction() as disavowal:
        connection = disavowal.connection
        await connection.execute(text("UPDATE identities SET security_epoch = security_epoch + 1"))
        await connection.execute(text("DELETE FROM oauth_providers"))
        coming = asyncio.create_task(ada.use(journey))
        await asyncio.sleep(0.5)
        assert not coming.done()
    answer = await coming
    assert (answer.status_code, answer.json()["code"]) == (409, "account_changed")
    assert len(await auth.rows("SELECT id FROM auth_tokens WHERE type = 'REFRESH'")) == 1
