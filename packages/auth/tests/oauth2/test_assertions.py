"""Services that sign instead of showing a key (private_key_jwt, RFC 7523; OWASP ASVS 5.0, 10.4.16)."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from packages.auth.tests.conftest import auth_environment, running

from orion_core.service_token import ASSERTION_TYPE, ServiceTokens, Signing
from orion_core.signatures import decode, encode, new_jwk, private_key
from orion_core.testing import MovableClock, TestDatabase

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

TOKEN = "/auth/oauth2/token"
PAIR = new_jwk("ES256")
PRIVATE: dict[str, Any] = dict(PAIR.as_dict(private=True)) | {"alg": "ES256"}
PUBLIC: dict[str, Any] = dict(PAIR.as_dict(private=False)) | {"alg": "ES256"}


@pytest.fixture
async def signing(
    make_seeded_database: Callable[[str], Awaitable[TestDatabase]], clock: MovableClock
) -> AsyncGenerator["Auth"]:
    keys: dict[str, Any] = {"AUTH_SERVICE_PUBLIC_KEYS": {"user": PUBLIC}}
    keys["AUTH_CLIENT_AUTHENTICATION"] = "private_key_jwt"
    async with running(await make_seeded_database("auth"), clock, **keys) as auth:
        yield auth


def issuer(auth: "Auth") -> str:
    return auth.application.state.components.settings.issuer


async def ask(auth: "Auth", form: dict[str, str]) -> httpx.Response:
    return await auth.http.post(TOKEN, data={"grant_type": "client_credentials"} | form)


def forged(auth: "Auth", *, key: dict[str, Any] | None = None, alg: str = "ES256", **changes: Any) -> dict[str, str]:
    """An assertion that is good but for what is said."""
    now = int(auth.clock().timestamp())
    claims = {"iss": "user", "sub": "user", "aud": issuer(auth), "exp": now + 60, "jti": "1"} | changes
    given = {name: value for name, value in claims.items() if value is not None}
    signed = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": alg}, given))
    text = f"{signed}.{encode(private_key(key or PRIVATE, 'ES256').sign(signed.encode()))}"
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}


async def test_a_service_is_known_by_what_it_signs_and_each_assertion_is_good_once(signing: "Auth") -> None:
    form = Signing(PRIVATE, issuer(signing)).assertion("user", signing.clock())
    granted = await ask(signing, form)
    assert (granted.status_code, granted.json()["scope"]) == (200, "events:read")
    again = await ask(signing, form)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert "used before" in again.json()["error_description"]
    form = Signing(PRIVATE, issuer(signing)).assertion("user", signing.clock())
    told = await signing.http.post("/auth/oauth2/introspect", data=form | {"token": granted.json()["access_token"]})
    assert told.json()["sub"] == "user"
    metadata = (await signing.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["introspection_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    shown = ["client_secret_basic", "client_secret_post"]
    assert metadata["token_endpoint_auth_methods_supported"] == ["none", "private_key_jwt", *shown], "as API keys are"


async def test_a_service_signs_by_itself_when_it_has_a_key(signing: "Auth") -> None:
    key = Signing(PRIVATE, issuer(signing))
    tokens = ServiceTokens(signing.http, "http://auth.test", "user", key, signing.clock)
    headers = await tokens.headers("GET", "http://auth.test/auth/v1/events")
    assert (await signing.http.get("/auth/v1/events", headers=headers)).status_code == 200


async def test_what_was_forged_or_is_for_others_is_refused(signing: "Auth") -> None:
    now = int(signing.clock().timestamp())
    other = dict(new_jwk("ES256").as_dict(private=True))
    wrong = [
        forged(signing, key=other),
        forged(signing, alg="none"),
        forged(signing, alg="RS256"),
        forged(signing, aud="https://elsewhere.example"),
        forged(signing, aud=None),
        forged(signing, iss="notifications"),
        forged(signing, iss="notifications", sub="notifications"),
        forged(signing, sub=None),
        forged(signing, sub=["user"]),
        forged(signing, exp=now),
        forged(signing, exp=now + 3600),
        forged(signing, exp="soon"),
        forged(signing, exp=None),
        forged(signing, jti=None),
        forged(signing, jti=""),
        forged(signing, jti="x" * 256),
        forged(signing) | {"client_id": "operator"},
        {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "x"},
        {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "x" * 5000},
    ]
    good = forged(signing)["client_assertion"]
    head, claims, signature = good.split(".")
    operator = encode(json.dumps(json.loads(decode(claims)) | {"sub": "operator", "iss": "operator"}).encode())
    wrong.append({"client_assertion_type": ASSERTION_TYPE, "client_assertion": f"{head}.{operator}.{signature}"})
    for form in wrong:
        answer = await ask(signing, form)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), form
    for form in ({"client_assertion": good}, {"client_assertion": good, "client_assertion_type": "x"}):
        assert (await ask(signing, form)).json()["error"] == "invalid_request"
    twice = await signing.http.post(
        TOKEN, data=forged(signing) | {"grant_type": "client_credentials"}, auth=("user", signing.service_key)
    )
    assert twice.json()["error"] == "invalid_request"
    assert await signing.rows("SELECT * FROM dpop_proofs") == []
    assert (await ask(signing, forged(signing))).status_code == 200


async def test_where_services_sign_no_key_that_is_shown_is_taken(signing: "Auth") -> None:
    for name in ("user", "operator"):
        form = {"grant_type": "client_credentials"}
        answer = await signing.http.post(TOKEN, data=form, auth=(name, signing.service_key))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_private_key_is_refused_where_a_public_one_is_asked_for(clock: MovableClock) -> None:
    """Whoever mixes up the two lines that were printed hears of it before auth starts."""
    from orion_auth.settings import AuthSettings

    class Somewhere:
        url = "postgresql://localhost/x"

    environment = auth_environment(Somewhere())  # pyright: ignore[reportArgumentType] - as much of a database as is asked
    with pytest.raises(ValueError, match="no public JWK"):
        AuthSettings.model_validate(environment | {"AUTH_SERVICE_PUBLIC_KEYS": {"user": PRIVATE}})
