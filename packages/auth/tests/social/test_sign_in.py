"""Signing in through a provider, over real HTTP: whose account it is."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from orion_auth.address_policy import AddressPolicy
from orion_contracts.account_messages import AccountMessageRequested, MessageSecrets
from orion_contracts.events import EmailVerified, IdentityProfileChanged, IdentityRegistered
from orion_core.sealing import Keyring

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth
    from packages.auth.tests.social.conftest import Administrator, Provider, Traveller

EVENT_KEYS = "e1:ZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWU="
IDENTITIES = "SELECT id, email, password_hash, status::text, email_verified_at IS NOT NULL AS verified FROM identities"
LINKED = "SELECT user_id, provider, provider_id, provider_email, is_primary FROM oauth_providers"


async def event_types(auth: "Auth") -> list[str]:
    return [row["type"] for row in await auth.rows("SELECT type FROM outbox ORDER BY sequence")]


async def mailed_code(auth: "Auth", email: str) -> str:
    """The code of the last message to an address, as notifications would open it."""
    query = "SELECT data FROM outbox WHERE type = :type AND data->>'recipient' = :email ORDER BY sequence DESC LIMIT 1"
    [row] = await auth.rows(query, type=AccountMessageRequested.type, email=email)
    event = AccountMessageRequested.read(row["data"])
    secrets = Keyring.parse(EVENT_KEYS).open_text(event.secrets, event.associated_data())
    read = MessageSecrets.model_validate_json(secrets)
    assert read.code is not None and read.link is None, "a link could be followed by whoever gets the mail"
    return read.code


class TestSomebodyNew:
    async def test_gets_an_account_whose_address_is_verified(self, auth: "Auth", ada: "Traveller") -> None:
        answer = await ada.sign_in()
        assert answer.status_code == 201, answer.text
        [identity] = await auth.rows(IDENTITIES)
        assert answer.json()["user_id"] == str(identity.pop("id"))
        assert identity == {"email": "ada@example.com", "password_hash": None, "status": "ACTIVE", "verified": True}
        assert {IdentityRegistered.type, EmailVerified.type, IdentityProfileChanged.type} <= set(
            await event_types(auth)
        )
        [registered] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=IdentityRegistered.type)
        assert registered["data"]["name"] == "Ada Lovelace"

    async def test_the_token_says_that_another_provider_has_vouched(self, auth: "Auth", ada: "Traveller") -> None:
        session = (await ada.sign_in()).json()
        keys = KeySet.import_key_set((await auth.http.get("/auth/.well-known/jwks.json")).json())
        claims = jwt.decode(session["access_token"], keys, algorithms=["ES256"]).claims
        assert claims["amr"] == ["fed"]
        [attempt] = await auth.rows("SELECT method::text, status::text FROM login_attempts")
        assert attempt["method"] == "SOCIAL" and attempt["status"] in ("SUCCESS", "SUSPICIOUS")
        assert (await auth.refresh(session["refresh_token"])).status_code == 200

    async def test_with_an_address_of_a_domain_that_is_refused_gets_no_account(
        self, auth: "Auth", ada: "Traveller"
    ) -> None:
        policy = AddressPolicy(frozenset({"example.com"}))
        object.__setattr__(auth.application.state.components, "address_policy", policy)
        refused = await ada.sign_in()
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_fields"), refused.text
        assert refused.json()["errors"][0]["code"] == "domain_refused"
        assert await auth.rows(IDENTITIES) == []

    async def test_the_provider_s_tokens_are_kept_sealed(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        journey = await ada.journey()
        kept = [str(row) for row in await auth.rows("SELECT * FROM oauth_flows")]
        await ada.use(journey)
        kept += [str(row) for row in await auth.rows("SELECT * FROM oauth_providers, oauth_flows, outbox")]
        secrets = [*provider.access_tokens, *provider.refresh_tokens, journey["code"], journey["flow"]]
        assert secrets and not any(secret in row for secret in secrets for row in kept)
        [flow] = await auth.rows("SELECT proof, code_verifier, status::text FROM oauth_flows")
        assert flow == {"proof": None, "code_verifier": None, "status": "USED"}

    async def test_comes_back_to_the_same_account(self, auth: "Auth", ada: "Traveller", provider: "Provider") -> None:
        first = (await ada.sign_in()).json()["user_id"]
        provider.account["email"] = "countess@example.com"
        again = (await ada.sign_in()).json()["user_id"]
        assert first == again
        [linked] = await auth.rows(LINKED)
        assert (linked["provider_email"], linked["is_primary"]) == ("countess@example.com", True)
        assert [row["email"] for row in await auth.rows(IDENTITIES)] == ["ada@example.com"]

    async def test_the_others_are_told_of_a_profile_only_when_it_changed(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        for name in ("Ada Lovelace", "Ada Lovelace", "Augusta Ada King"):
            provider.account["name"] = name
            await ada.sign_in()
        told = await auth.rows(
            "SELECT data FROM outbox WHERE type = :type ORDER BY sequence", type=IdentityProfileChanged.type
        )
        assert [row["data"]["name"] for row in told] == ["Ada Lovelace", "Augusta Ada King"]

    async def test_who_comes_eight_times_at_once_gets_one_account(
        self, auth: "Auth", ada: "Traveller", travellers: "Callable[..., Traveller]"
    ) -> None:
        """Eight journeys of one person, used at the same moment."""
        journeys = [await ada.journey() for _ in range(8)]
        answers = await asyncio.gather(*(travellers().use(journey) for journey in journeys))
        assert [answer.status_code for answer in answers] == [201] * 8
        assert len(await auth.rows(IDENTITIES)) == len(await auth.rows(LINKED)) == 1

    async def test_whoever_is_not_to_be_remembered_gets_a_short_session(self, ada: "Traveller") -> None:
        assert (await ada.sign_in(remember=False)).json()["refresh_expires_in"] == 3600, "an hour without use"

    async def test_a_journey_is_used_once(self, auth: "Auth", ada: "Traveller") -> None:
        journey = await ada.journey()
        answers = await asyncio.gather(*(ada.use(journey) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] + [410] * 7
        assert len(await auth.rows("SELECT id FROM login_attempts WHERE status <> 'BLOCKED'")) == 1


class TestAnAddressThatIsKnown:
    async def test_is_vouched_for_by_what_is_said_of_it_and_not_of_another(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        """The ID token has one address, the userinfo endpoint another, and that one is verified."""
        provider.claims["email"] = "bob@example.com"
        answer = await ada.sign_in()
        assert (answer.status_code, answer.json()["code"]) == (422, "email_code_needed")
        provider.claims["email"] = "ada@example.com"
        assert (await ada.sign_in()).status_code == 201, "of the same address the endpoint may say more"
        assert await auth.rows("SELECT email FROM identities") == [{"email": "ada@example.com"}]

    async def test_does_not_lead_into_the_account_that_has_it(self, auth: "Auth", ada: "Traveller") -> None:
        await auth.verified("ada@example.com")
        answer = await ada.sign_in()
        assert (answer.status_code, answer.json()["code"]) == (409, "account_exists")
        assert await auth.rows(LINKED) == []
        assert (await auth.sign_in()).status_code == 201, "its password still works"

    async def test_links_by_itself_where_the_provider_alone_decides_and_an_administrator_said_so(
        self, auth: "Auth", ada: "Traveller", administrator: "Administrator"
    ) -> None:
        user_id = await auth.verified("ada@example.com")
        await administrator.change("example", auto_link_domains=["example.com"])
        answer = await ada.sign_in()
        assert (answer.status_code, answer.json()["user_id"]) == (201, str(user_id))
        [event] = await auth.rows(
            "SELECT user_id, event_type, was_notified FROM security_events WHERE category = 'SOCIAL'"
        )
        assert event == {"user_id": user_id, "event_type": "social.linked", "was_notified": True}

    async def test_of_somebody_who_waited_for_its_owner_is_taken_without_his_password(
        self, auth: "Auth", ada: "Traveller"
    ) -> None:
        """Somebody registers Ada's address first, to have the account once she verifies it."""
        await auth.register("ada@example.com", username="mallory")
        mail = await auth.mailed("ada@example.com")
        answer = await ada.sign_in()
        assert answer.status_code == 201
        assert (await auth.sign_in("ada@example.com")).status_code == 401, "the password given before her is gone"
        assert (await auth.http.post(f"{mail.link}/confirmation")).status_code == 410
        confirmation = {"email": "ada@example.com", "code": mail.code}
        assert (await auth.http.post("/auth/v1/email-verifications", json=confirmation)).status_code == 422
        assert (await auth.sign_in("ada@example.com")).status_code == 401, "and does not come back by the old mail"
        [identity] = await auth.rows(IDENTITIES)
        assert (identity["password_hash"], identity["status"], identity["verified"]) == (None, "ACTIVE", True)


class TestAnAddressThatNobodyVouchesFor:
    async def test_is_proved_by_a_code_whether_it_is_known_or_not(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        await auth.verified("known@example.com")
        for email, outcome in (("new@example.com", 201), ("known@example.com", 409)):
            provider.account |= {"email": email, "email_verified": False, "sub": email}
            journey = await ada.journey()
            asked = await ada.use(journey)
            assert (asked.status_code, asked.json()["code"]) == (422, "email_code_needed")
            answer = await ada.use(journey, email_code=await mailed_code(auth, email))
            assert answer.status_code == outcome
        assert [row["provider_id"] for row in await auth.rows(LINKED)] == ["new@example.com"]

    async def test_a_wrong_code_has_five_tries(self, auth: "Auth", ada: "Traveller", provider: "Provider") -> None:
        provider.account["email_verified"] = False
        journey = await ada.journey()
        await ada.use(journey)
        code = await mailed_code(auth, "ada@example.com")
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        answers = await asyncio.gather(*(ada.use(journey, email_code=wrong) for _ in range(7)))
        assert {answer.json()["code"] for answer in answers} == {"invalid_code"}
        assert (await ada.use(journey, email_code=code)).json()["code"] == "invalid_code"
        assert await auth.rows(IDENTITIES) == []
        recorded = await auth.rows(
            "SELECT status::text, failure_reason AS reason, count(*) FROM login_attempts GROUP BY 1, 2"
        )
        assert recorded == [{"status": "FAILED", "reason": "WRONG_CODE", "count": 8}]

    async def test_is_not_believed_because_the_claim_is_true_for_a_provider_that_is_not_trusted(
        self, ada: "Traveller", administrator: "Administrator"
    ) -> None:
        await administrator.change("example", email_trust="NEVER")
        assert (await ada.sign_in()).json()["code"] == "email_code_needed"

    async def test_where_there_is_none_it_is_asked_for(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        del provider.account["email"]
        journey = await ada.journey()
        assert (await ada.use(journey)).json()["code"] == "email_needed"
        assert (await ada.use(journey, email="no address")).json()["code"] == "invalid_email"
        assert (await ada.use(journey, email="Ada@Example.com")).json()["code"] == "email_code_needed"
        code = await mailed_code(auth, "ada@example.com")
        other = await ada.use(journey, email="eve@example.com", email_code=code)
        assert other.json()["code"] == "invalid_code", "a code is for one address"
        assert (await ada.use(journey, email_code=code)).status_code == 201
        [identity] = await auth.rows(IDENTITIES)
        assert (identity["email"], identity["verified"]) == ("ada@example.com", True)


class TestOtherKindsOfProvider:
    async def test_bare_oauth_with_a_list_of_addresses(
        self, auth: "Auth", administrator: "Administrator", provider: "Provider", travellers: "Callable[..., Traveller]"
    ) -> None:
        """As GitHub does it."""
        urls = {
            "authorization_url": f"{provider.url}/authorize",
            "token_url": f"{provider.url}/token",
            "userinfo_url": f"{provider.url}/me",
            "emails_url": f"{provider.url}/emails",
        }
        body = {"name": "hub", "preset": "GITHUB", "client_id": "orion", "client_secret": "s", "is_enabled": True}
        await administrator.connect(body | urls)
        provider.account |= {"id": 583231, "login": "ada"}
        assert (await travellers("hub").sign_in()).status_code == 201
        [linked] = await auth.rows(LINKED)
        assert (linked["provider_id"], linked["provider_email"]) == ("583231", "ada@example.com")

    async def test_an_answer_by_form_with_a_signed_client_secret(
        self, auth: "Auth", administrator: "Administrator", provider: "Provider", travellers: "Callable[..., Traveller]"
    ) -> None:
        """As Apple does it."""
        key = ECKey.generate_key("P-256")
        body: dict[str, Any] = {
            "name": "apple",
            "preset": "APPLE",
            "issuer": provider.url,
            "client_id": "orion",
            "is_enabled": True,
            "client_secret": key.as_pem(private=True).decode(),
            "team_id": "TEAM",
            "key_id": "KEY",
        }
        await administrator.connect(body)
        provider.metadata = {"userinfo_endpoint": None}
        provider.account |= {"email_verified": "true"}
        provider.in_id_token = ("email", "email_verified")
        traveller = travellers("apple")
        path = "/auth/v1/oauth-connections/apple/authorizations"
        begun = await traveller.browser.post(path, json={"return_to": "https://app.example.com/signed-in"})
        cookie = begun.headers["set-cookie"]
        assert "SameSite=none" in cookie and "Secure" in cookie and "HttpOnly" in cookie
        fields = await traveller.agree_by_form(begun.json())
        fields["user"] = '{"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "evil@example.com"}'
        name, value = cookie.split(";")[0].split("=", 1)
        back = await traveller.browser.post(
            "/auth/v1/oauth-connections/apple/callback", data=fields, headers={"Cookie": f"{name}={value}"}
        )
        journey = traveller.read(back) | {"flow": begun.json()["flow"]}
        assert (await traveller.use(journey)).status_code == 201
        secret = jwt.decode(provider.forms[-1]["client_secret"], key, algorithms=["ES256"])
        assert secret.header["kid"] == "KEY"
        assert (secret.claims["iss"], secret.claims["sub"], secret.claims["aud"]) == ("TEAM", "orion", provider.url)
        [linked] = await auth.rows("SELECT profile, provider_email FROM oauth_providers")
        assert linked == {"profile": {"name": "Ada Lovelace"}, "provider_email": "ada@example.com"}
        begun = await traveller.browser.post(path, json={"return_to": "https://app.example.com/signed-in"})
        fields = await traveller.agree_by_form(begun.json())
        name, value = begun.headers["set-cookie"].split(";")[0].split("=", 1)
        back = await traveller.browser.post(
            "/auth/v1/oauth-connections/apple/callback", data=fields, headers={"Cookie": f"{name}={value}"}
        )
        journey = traveller.read(back) | {"flow": begun.json()["flow"]}
        assert (await traveller.use(journey)).status_code == 201
        [linked] = await auth.rows("SELECT profile FROM oauth_providers")
        assert linked == {"profile": {"name": "Ada Lovelace"}}, "which is told the first time alone"
        [told] = await auth.rows("SELECT count(*) FROM outbox WHERE type = :type", type=IdentityProfileChanged.type)
        assert told == {"count": 1}, "nothing has changed"
