"""What a provider, somebody between, or somebody else's browser may try."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from joserfc import jws
from joserfc.jwk import RSAKey
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth
    from packages.auth.tests.social.conftest import Administrator, Provider, Traveller

ATTEMPT = "SELECT status::text, failure_reason FROM login_attempts ORDER BY id DESC LIMIT 1"
JSON = {"Content-Type": "application/json"}
CALLBACK = "/auth/v1/oauth-connections/example/callback"

Turn = Callable[["Provider"], None]
"""Makes a provider hostile."""


def claims(**changes: Any) -> Turn:
    return lambda provider: provider.claims.update(changes)


def answer(path: str, response: Response) -> Turn:
    return lambda provider: provider.answers.update({path: response})


def unsigned(header: dict[str, Any], payload: bytes) -> str:
    parts = (b'{"alg":"none"}', payload, b"")
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def signed_with_the_public_key(provider: "Provider") -> None:
    """HMAC with what everybody knows: the classic confusion of algorithms."""

    def sign(header: dict[str, Any], payload: bytes) -> str:
        parts = (json.dumps({**header, "alg": "HS256"}).encode(), payload)
        signed = ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
        mac = hmac.digest(provider.key.as_pem(private=False), signed.encode(), "sha256")
        return f"{signed}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    provider.sign = sign


def signed_with_another_key(provider: "Provider") -> None:
    other = RSAKey.generate_key(2048)
    provider.sign = lambda header, payload: jws.serialize_compact(header, payload, other, algorithms=["RS256"])


def key_in_the_header(provider: "Provider") -> None:
    """The token brings its own key along."""
    other = RSAKey.generate_key(2048)
    header = {"jwk": other.as_dict(private=False)}
    provider.sign = lambda honest, payload: jws.serialize_compact(honest | header, payload, other, algorithms=["RS256"])


def no_signature(provider: "Provider") -> None:
    provider.sign = unsigned


def header(**changes: Any) -> Turn:
    return lambda provider: provider.header.update(changes)


def account(**changes: Any) -> Turn:
    return lambda provider: provider.account.update(changes)


def late(provider: "Provider") -> None:
    now = int(provider.clock().timestamp())
    provider.claims.update(iat=now - 400, exp=now - 100)


def early(provider: "Provider") -> None:
    provider.claims.update(iat=int(provider.clock().timestamp()) + 600)


def stale(provider: "Provider") -> None:
    provider.claims.update(iat=int(provider.clock().timestamp()) - 3600)


HOSTILE: list[tuple[Turn, str]] = [
    (claims(nonce="another"), "ID_TOKEN_NONCE"),
    (claims(nonce=None), "ID_TOKEN_NONCE"),
    (claims(nonce=["a"]), "ID_TOKEN_NONCE"),
    (claims(aud="somebody-else"), "ID_TOKEN_AUDIENCE"),
    (claims(aud=["somebody-else"]), "ID_TOKEN_AUDIENCE"),
    (claims(aud=["orion", "somebody-else"]), "ID_TOKEN_AUDIENCE"),
    (claims(aud=["orion", "somebody-else"], azp="somebody-else"), "ID_TOKEN_AUDIENCE"),
    (claims(azp="somebody-else"), "ID_TOKEN_AUDIENCE"),
    (claims(aud=None), "ID_TOKEN_AUDIENCE"),
    (claims(aud={"orion": True}), "ID_TOKEN_AUDIENCE"),
    (claims(iss="https://evil.example"), "ID_TOKEN_ISSUER"),
    (claims(iss=None), "ID_TOKEN_ISSUER"),
    (claims(iss=["x"]), "ID_TOKEN_ISSUER"),
    (claims(exp=None), "ID_TOKEN_EXPIRED"),
    (claims(exp="tomorrow"), "ID_TOKEN_EXPIRED"),
    (claims(exp=True), "ID_TOKEN_EXPIRED"),
    (claims(iat=None), "ID_TOKEN_EXPIRED"),
    (claims(nbf=1e11), "ID_TOKEN_EXPIRED"),
    (late, "ID_TOKEN_EXPIRED"),
    (early, "ID_TOKEN_EXPIRED"),
    (stale, "ID_TOKEN_EXPIRED"),
    (claims(at_hash="AAAAAAAAAAAAAAAAAAAAAA"), "ID_TOKEN_ACCESS_TOKEN"),
    (claims(at_hash=7), "ID_TOKEN_ACCESS_TOKEN"),
    (claims(sub=None), "ID_TOKEN_SUBJECT"),
    (claims(sub=""), "ID_TOKEN_SUBJECT"),
    (claims(sub=7), "ID_TOKEN_SUBJECT"),
    (claims(sub="x" * 256), "ID_TOKEN_SUBJECT"),
    (claims(sub="a\0b"), "ID_TOKEN_SUBJECT"),
    (claims(padding="x" * 40_000), "BAD_TOKEN"),
    (header(kid="unknown"), "ID_TOKEN_SIGNATURE"),
    (no_signature, "ID_TOKEN_ALGORITHM"),
    (signed_with_the_public_key, "ID_TOKEN_ALGORITHM"),
    (signed_with_another_key, "ID_TOKEN_SIGNATURE"),
    (key_in_the_header, "ID_TOKEN_SIGNATURE"),
    (answer("/me", JSONResponse({"sub": "somebody-else", "email": "eve@example.com"})), "WRONG_SUBJECT"),
    (answer("/me", JSONResponse([])), "NOT_JSON"),
    (answer("/me", JSONResponse({}, 500)), "NO_USERINFO"),
    (answer("/token", JSONResponse({"error": "server_error"}, 500)), "SERVER_ERROR"),
    (answer("/token", JSONResponse({"error": ["x"]}, 400)), "TOKEN_REFUSED"),
    (answer("/token", JSONResponse({"access_token": "a", "token_type": "Bearer"})), "NO_ID_TOKEN"),
    (answer("/token", JSONResponse({"access_token": 7})), "BAD_TOKEN"),
    (answer("/token", Response(b'{"access_token":"a","expires_in":NaN}', 200, JSON)), "NO_ID_TOKEN"),
    (answer("/token", JSONResponse({"access_token": "a", "token_type": "mac"})), "NO_ACCESS_TOKEN"),
    (answer("/token", JSONResponse({"access_token": "a", "id_token": "a.b.c"})), "ID_TOKEN_MALFORMED"),
    (answer("/token", PlainTextResponse("access_token=a")), "NOT_JSON"),
    (answer("/token", RedirectResponse("http://169.254.169.254/latest/meta-data/")), "REDIRECTED"),
    (answer("/token", Response(b"x" * 300_000, media_type="application/json")), "TOO_LARGE"),
]


class TestProviders:
    async def test_nothing_of_what_a_hostile_provider_answers_lets_anybody_in(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        for number, (turn, reason) in enumerate(HOSTILE):
            provider.claims, provider.header, provider.answers, provider.sign = {}, {}, {}, None
            if number % 15 == 0:
                auth.clock.advance(minutes=2)  # else there were too many tries
            turn(provider)
            journey = await ada.journey()
            assert journey.get("error") == "provider_failed", (number, reason)
            [attempt] = await auth.rows(ATTEMPT)
            assert attempt == {"status": "FAILED", "failure_reason": reason}, number
        assert await auth.rows("SELECT id FROM identities") == []
        assert await auth.rows("SELECT id FROM oauth_flows WHERE status <> 'RETURNED'") == []

    async def test_claims_of_the_wrong_kind_are_as_good_as_none(self, ada: "Traveller", provider: "Provider") -> None:
        for value in (
            ["ada@example.com"],
            {"a": 1},
            7,
            True,
            "",
            "no address",
            "a\nb@example.com",
            "ada@example.com\0",
        ):
            provider.account |= {"email": value, "email_verified": True}
            assert (await ada.use(await ada.journey())).json()["code"] == "email_needed"
        provider.account |= {
            "email": "ada@example.com",
            "email_verified": "yes",
            "name": ["x"],
            "picture": "javascript:x",
        }
        assert (await ada.use(await ada.journey())).json()["code"] == "email_code_needed"
        provider.account["email_verified"], provider.scope = True, "openid a\0b"
        assert (await ada.sign_in()).status_code == 201

    async def test_a_key_that_was_rotated_is_fetched(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        assert (await ada.sign_in()).status_code == 201
        provider.key = RSAKey.generate_key(2048, {"kid": "k2"})
        auth.clock.advance(minutes=1)
        assert (await ada.sign_in()).status_code == 201
        provider.published = [RSAKey.generate_key(2048, {"kid": "k3"})]
        auth.clock.advance(hours=2)
        assert (await ada.journey())["error"] == "provider_failed", "a key that was taken back verifies nothing more"

    async def test_one_that_is_away_lets_nobody_begin(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        provider.answers["/.well-known/openid-configuration"] = JSONResponse({}, 503)
        path = "/auth/v1/oauth-connections/example/authorizations"
        refused = await ada.browser.post(path, json={"return_to": "https://app.example.com/signed-in"})
        assert (refused.status_code, refused.json()["code"]) == (502, "provider_unusable")
        assert await auth.rows("SELECT id FROM oauth_flows") == []


class TestBrowsers:
    async def test_an_answer_is_for_the_browser_that_began(
        self, ada: "Traveller", travellers: "Callable[..., Traveller]"
    ) -> None:
        """Login CSRF: Mallory has Ada's browser end a journey of his."""
        mallory = travellers()
        url = await mallory.visit(await mallory.begin())
        refused = await ada.browser.get(url)
        assert refused.status_code == 400 and "location" not in refused.headers
        assert refused.headers["content-type"].startswith("text/html")
        assert "code" in await mallory.come_back(url), "and his own is not spent by that"

    async def test_an_answer_is_good_once(self, ada: "Traveller") -> None:
        url = await ada.visit(begun := await ada.begin())
        cookie = next(iter(ada.browser.cookies.jar))
        back = await ada.come_back(url)
        again = await ada.browser.get(url, headers={"Cookie": f"{cookie.name}={cookie.value}"})
        assert again.status_code == 400
        assert (await ada.use({"flow": begun["flow"], **back})).status_code == 201

    async def test_an_answer_that_comes_too_late_is_refused(self, auth: "Auth", ada: "Traveller") -> None:
        url = await ada.visit(await ada.begin())
        auth.clock.advance(minutes=11)
        assert (await ada.browser.get(url)).status_code == 400

    async def test_the_code_in_the_url_is_worth_nothing_without_the_secret_of_the_beginning(
        self, ada: "Traveller", travellers: "Callable[..., Traveller]"
    ) -> None:
        journey = await ada.journey()
        mallory = travellers()
        own = await mallory.begin()
        assert (await mallory.use(journey | {"flow": own["flow"]})).status_code == 410
        assert (await ada.use(journey | {"code": own["flow"]})).status_code == 410
        assert (await ada.use(journey)).status_code == 201

    async def test_a_proof_is_used_within_ten_minutes(self, auth: "Auth", ada: "Traveller") -> None:
        journey = await ada.journey()
        auth.clock.advance(minutes=11)
        assert (await ada.use(journey)).status_code == 410

    async def test_a_backend_is_known_by_its_secret_and_gets_no_cookie(
        self, ada: "Traveller", travellers: "Callable[..., Traveller]"
    ) -> None:
        begun = await ada.begin(started_by="BACKEND")
        assert len(ada.browser.cookies) == 0
        back = await travellers().come_back(await ada.visit(begun))
        assert (await ada.use({"flow": begun["flow"], **back})).status_code == 201

    async def test_the_user_may_say_no(self, auth: "Auth", ada: "Traveller", provider: "Provider") -> None:
        begun = await ada.begin()
        state = provider_state(begun["authorization_url"])
        back = await ada.come_back(
            f"{CALLBACK}?{urlencode({'error': 'access_denied', 'state': state, 'iss': provider.url})}"
        )
        assert back == {"authorization": begun["id"], "error": "access_denied"}


class TestMixUp:
    async def test_the_answer_must_name_its_provider(
        self, auth: "Auth", ada: "Traveller", provider: "Provider"
    ) -> None:
        """RFC 9207, since the provider says that it always does."""
        for issuer in ({}, {"iss": "https://evil.example"}):
            begun = await ada.begin()
            state = provider_state(begun["authorization_url"])
            back = await ada.come_back(f"{CALLBACK}?{urlencode({'code': 'c', 'state': state, **issuer})}")
            assert back["error"] == "provider_failed"
        assert "/token" not in provider.asked, "the code was shown to nobody"

    async def test_a_journey_ends_where_its_provider_answers(
        self, ada: "Traveller", administrator: "Administrator", provider: "Provider"
    ) -> None:
        await administrator.connect(provider.connection(name="other"))
        url = await ada.visit(await ada.begin())
        assert (await ada.browser.get(url.replace("/example/", "/other/"))).status_code == 400

    async def test_a_provider_that_was_switched_off_ends_nothing(
        self, ada: "Traveller", administrator: "Administrator"
    ) -> None:
        journey, begun = await ada.journey(), await ada.begin()
        url = await ada.visit(begun)
        await administrator.change("example", is_enabled=False)
        assert (await ada.browser.get(url)).status_code == 404
        assert (await ada.use(journey)).status_code == 404

    async def test_what_is_no_answer_gets_a_page(self, ada: "Traveller") -> None:
        for query in ("", "state=", "state=a&state=b&code=c", "code=c", f"state={'x' * 9000}"):
            refused = await ada.browser.get(f"{CALLBACK}?{query}")
            assert refused.status_code == 400 and "<h1>" in refused.text


async def test_the_browser_is_sent_to_allowed_places_only(auth: "Auth", ada: "Traveller") -> None:
    for url in ("https://evil.example/", "https://app.example.com/", "https://app.example.com/signed-in@evil.example"):
        path = "/auth/v1/oauth-connections/example/authorizations"
        refused = await ada.browser.post(path, json={"return_to": url})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "/return_to")
    assert await auth.rows("SELECT id FROM oauth_flows") == []


async def test_tries_are_limited_by_network(ada: "Traveller", travellers: "Callable[..., Traveller]") -> None:
    statuses = {(await ada.browser.get(f"{CALLBACK}?state=x&code=y")).status_code for _ in range(61)}
    assert statuses == {400, 429}
    assert (await travellers(address="198.51.100.1").sign_in()).status_code == 201


def provider_state(authorization_url: str) -> str:
    return authorization_url.split("state=")[1].split("&", maxsplit=1)[0]
