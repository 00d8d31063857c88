"""Only what auth has signed, as an access token, for us, now, is let in. Everything else is a 401; never a 500."""

import asyncio
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, Key, KeySet, OctKey, OKPKey, RSAKey

from orion_contracts.claims import AccessClaims
from orion_core.access_tokens import FETCH_PAUSE, KEYS_LAST, KEYS_LIVE, LONGEST_TOKEN, TokenVerifier
from orion_core.errors import Problem
from orion_core.signatures import private_key, verifying_key
from orion_core.testing import MovableClock

ISSUER = "https://auth.test"


class Auth:
    """What auth's keys endpoint does."""

    def __init__(self) -> None:
        self.keys: list[Key] = [ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})]
        self.fetched = 0
        self.answer: Callable[[], Any] = self.document

    def document(self) -> dict[str, object]:
        return dict(KeySet(self.keys).as_dict(private=False))

    async def fetch(self) -> dict[str, object]:
        self.fetched += 1
        await asyncio.sleep(0)
        return self.answer()


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
def verifier(auth: Auth, clock: MovableClock) -> TokenVerifier:
    return TokenVerifier(auth.fetch, ISSUER, "orion", clock)


Sign = Callable[..., str]


@pytest.fixture
def sign(auth: Auth, clock: MovableClock) -> Sign:
    """`sign(header={…}, key=…, claim=value, …)`: a token that is good but for what is said; None leaves a claim out."""

    def make(header: dict[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
        now = int(clock().timestamp())
        claims = {"iss": ISSUER, "aud": "orion", "sub": "u", "client_id": "web", "sid": "s", "jti": "j"}
        claims |= {"iat": now, "exp": now + 600} | changes
        payload = json.dumps({name: value for name, value in claims.items() if value is not None})
        return signed({"alg": "ES256", "typ": "at+jwt", "kid": "k1"} | (header or {}), payload, key or auth.keys[0])

    return make


def signed(header: dict[str, Any], payload: str, key: Any) -> str:
    registry = jws.JWSRegistry(algorithms=list(jws.JWSRegistry.algorithms), strict_check_header=False)
    return jws.serialize_compact({**header}, payload, key, registry=registry)


def encoded(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return urlsafe_b64encode(raw).decode().rstrip("=")


async def refusal(verifier: TokenVerifier, token: str) -> Problem:
    with pytest.raises(Problem) as problem:
        await verifier.verify(token)
    assert problem.value.status == 401
    assert problem.value.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    return problem.value


async def test_a_good_token_is_let_in_with_its_claims(verifier: TokenVerifier, sign: Sign, auth: Auth) -> None:
    token = sign(scope="a b", aud=["other", "orion"])
    claims = await verifier.verify(token)
    assert isinstance(claims, AccessClaims) and (claims.sub, claims.scopes) == ("u", {"a", "b"})
    assert await verifier.verify(token) == claims and auth.fetched == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.test"},
        {"iss": ISSUER + "/"},
        {"aud": "other"},
        {"aud": []},
        {"exp": 0},
        {"exp": "never"},
        {"exp": 1e400},
        {"iat": 2**40},
        {"iss": None},
        {"aud": None},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"client_id": None},
        {"sub": {"$ne": None}},
    ],
    ids=str,
)
async def test_claims_must_be_ours_complete_and_present(
    changes: dict[str, Any], verifier: TokenVerifier, sign: Sign
) -> None:
    await refusal(verifier, sign(**changes))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"typ": "dpop+jwt"},
        {"kid": "unknown"},
        {"kid": None},
        {"kid": 1},
        {"kid": ["k1"]},
        {"kid": "../../dev/null"},
        {"crit": ["exp"], "exp": 1},
        {"crit": ["unheard-of"], "unheard-of": 1},
        {"b64": False, "crit": ["b64"]},
    ],
    ids=str,
)
async def test_headers_must_be_those_of_an_access_token(
    header: dict[str, Any], verifier: TokenVerifier, sign: Sign, auth: Auth
) -> None:
    good = sign()
    whole = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"} | header
    names = json.dumps({name: value for name, value in whole.items() if value is not None})
    await refusal(verifier, resigned(encoded(names), good.split(".")[1], auth))


def resigned(header: str, payload: str, auth: Auth) -> str:
    """Any header and payload, under a signature that is right for exactly these bytes."""
    algorithm = jws.JWSRegistry.algorithms["ES256"]
    return f"{header}.{payload}.{encoded(algorithm.sign(f'{header}.{payload}'.encode(), auth.keys[0]))}"


async def test_the_signature_is_over_these_bytes(verifier: TokenVerifier, sign: Sign, auth: Auth) -> None:
    """What the other tests forge with does make good tokens, so it is the forged part that is refused."""
    header, payload, _ = sign().split(".")
    assert (await verifier.verify(resigned(header, payload, auth))).sub == "u"
    await refusal(verifier, f"{header}.{encoded(b'{}')}.{encoded(b'0' * 64)}")


async def test_no_algorithm_but_ours_is_taken_from_a_token(verifier: TokenVerifier, sign: Sign, auth: Auth) -> None:
    (key,) = auth.keys
    assert isinstance(key, ECKey)
    public = key.as_pem(private=False)
    header, payload, signature = sign().split(".")
    none = encoded('{"alg":"none","typ":"at+jwt","kid":"k1"}')
    confused = encoded('{"alg":"HS256","typ":"at+jwt","kid":"k1"}') + "." + payload
    confused = f"{confused}.{encoded(hmac.digest(public, confused.encode(), 'sha256'))}"
    rsa = RSAKey.generate_key(2048, {"kid": "k1"})
    stranger = ECKey.generate_key("P-256", {"kid": "k1"})
    embedded = {"jwk": stranger.as_dict(private=False)}
    for token in (
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        f"{header}.{payload}.",
        confused,
        sign({"alg": "RS256"}, rsa),
        sign({"alg": "PS256"}, rsa),
        sign(key=stranger),
        sign(embedded, stranger),
        sign({"jku": "https://evil.test/jwks", "x5u": "https://evil.test/x"}, stranger),
        sign({"alg": "ES384"}, ECKey.generate_key("P-384", {"kid": "k1"})),
    ):
        await refusal(verifier, token)


async def test_a_key_listed_for_something_else_verifies_nothing(
    verifier: TokenVerifier, sign: Sign, auth: Auth
) -> None:
    """An RSA or symmetric key that slipped into the key set is no key for access tokens."""
    secret = OctKey.import_key("a symmetric key in the key set of all", {"kid": "oct"})
    auth.answer = lambda: {"keys": [*KeySet(auth.keys).as_dict(private=False)["keys"], secret.as_dict()]}
    await verifier.verify(sign())
    await refusal(verifier, sign({"alg": "HS256", "kid": "oct"}, secret))


WORDS = ["", ".", "..", "...", "a.b.c", "a.b", "ü.ü.ü", "\ud800", "e30.e30.", "null", "x" * (LONGEST_TOKEN + 1)]
HEADERS = [f"{encoded(header)}.e30.c2ln" for header in ("null", "[]", "1", '"typ"', "[" * 5000, b"\xff\xfe")]


@pytest.mark.parametrize("token", [*WORDS, *HEADERS], ids=lambda token: ascii(token)[:20])
async def test_malformed_tokens_are_refused(token: str, verifier: TokenVerifier) -> None:
    await refusal(verifier, token)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.text() | st.lists(st.binary(max_size=60).map(encoded), max_size=4).map(".".join))
async def test_no_text_is_more_than_malformed(verifier: TokenVerifier, token: str) -> None:
    await refusal(verifier, token)


async def test_names_given_twice_do_not_deceive(verifier: TokenVerifier, sign: Sign, auth: Auth) -> None:
    """Whatever of two equal names counts, the same one counts in every check."""
    _, payload, _ = sign().split(".")
    header = encoded('{"alg":"none","alg":"ES256","typ":"JWT","typ":"at+jwt","kid":"x","kid":"k1"}')
    assert (await verifier.verify(resigned(header, payload, auth))).sub == "u"
    header = encoded('{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"k1"}')
    await refusal(verifier, resigned(header, payload, auth))


async def test_expiry_counts_also_for_a_token_seen_before(
    verifier: TokenVerifier, sign: Sign, clock: MovableClock
) -> None:
    token = sign()
    await verifier.verify(token)
    clock.advance(seconds=599)
    await verifier.verify(token)
    clock.advance(seconds=1)
    await refusal(verifier, token)


async def test_clocks_may_differ_a_little(verifier: TokenVerifier, sign: Sign, clock: MovableClock) -> None:
    now = int(clock().timestamp())
    await verifier.verify(sign(iat=now + 4))
    await refusal(verifier, sign(iat=now + 60, jti="2"))


async def test_a_new_key_is_found_without_waiting(
    verifier: TokenVerifier, sign: Sign, auth: Auth, clock: MovableClock
) -> None:
    await verifier.verify(sign())
    auth.keys.append(ECKey.generate_key("P-256", {"kid": "k2", "alg": "ES256"}))
    clock.advance(seconds=FETCH_PAUSE.total_seconds())
    await verifier.verify(sign({"kid": "k2"}, auth.keys[1]))
    assert auth.fetched == 2


async def test_a_key_that_is_taken_back_stops_working_also_for_tokens_seen_before(
    verifier: TokenVerifier, sign: Sign, auth: Auth, clock: MovableClock
) -> None:
    await verifier.verify(sign(jti="an earlier one, so that the keys are older than what follows"))
    clock.advance(seconds=200)
    token = sign()
    await verifier.verify(token)
    auth.keys[0] = ECKey.generate_key("P-256", {"kid": "k2", "alg": "ES256"})
    clock.advance(seconds=KEYS_LIVE.total_seconds() - 200)
    await refusal(verifier, token)


async def test_unknown_keys_do_not_make_us_ask_more_than_now_and_then(
    verifier: TokenVerifier, sign: Sign, auth: Auth, clock: MovableClock
) -> None:
    for number in range(100):
        await refusal(verifier, sign({"kid": f"unknown {number}"}))
        clock.advance(milliseconds=100)
    assert auth.fetched <= 1 + timedelta(seconds=10) / FETCH_PAUSE


async def test_many_at_once_cause_one_fetch(verifier: TokenVerifier, sign: Sign, auth: Auth) -> None:
    await asyncio.gather(*(verifier.verify(sign(jti=str(number))) for number in range(50)))
    assert auth.fetched == 1


def away() -> Any:
    raise httpx.ConnectError("away")


BAD_ANSWERS: dict[str, Callable[[], Any]] = {
    "away": away,
    "no key set": lambda: {"error": "oops"},
    "no object": lambda: ["oops"],
    "broken keys": lambda: {"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "x": "!", "y": "!"}]},
}


@pytest.mark.parametrize("answer", BAD_ANSWERS)
async def test_without_keys_nobody_can_be_let_in_yet(
    answer: str, verifier: TokenVerifier, sign: Sign, auth: Auth, clock: MovableClock
) -> None:
    auth.answer = BAD_ANSWERS[answer]
    for _ in range(20):
        with pytest.raises(Problem) as problem:
            await verifier.verify(sign())
        assert (problem.value.status, problem.value.code) == (503, "keys_unreachable")
        assert problem.value.headers["Retry-After"] == "2"
    assert auth.fetched == 1, "an auth that is away is not stormed"
    auth.answer = auth.document
    clock.advance(seconds=FETCH_PAUSE.total_seconds())
    await verifier.verify(sign())


@pytest.mark.parametrize("answer", BAD_ANSWERS)
async def test_keys_outlast_an_auth_that_is_away_for_a_while(
    answer: str, verifier: TokenVerifier, sign: Sign, auth: Auth, clock: MovableClock
) -> None:
    await verifier.verify(sign())
    auth.answer = BAD_ANSWERS[answer]
    clock.advance(seconds=KEYS_LIVE.total_seconds())
    await verifier.verify(sign())
    clock.advance(seconds=(KEYS_LAST - KEYS_LIVE).total_seconds())
    with pytest.raises(Problem) as problem:
        await verifier.verify(sign())
    assert problem.value.status == 503


PAIRS = [
    ECKey.generate_key("P-256", {"kid": "ES256", "alg": "ES256"}),
    OKPKey.generate_key("Ed25519", {"kid": "EdDSA", "alg": "EdDSA"}),
    RSAKey.generate_key(2048, {"kid": "RS256", "alg": "RS256"}),
]


@pytest.mark.parametrize("key", PAIRS, ids=lambda key: str(key.kid))
async def test_a_key_is_good_for_its_own_algorithm_alone(
    auth: Auth, verifier: TokenVerifier, sign: Sign, key: ECKey | OKPKey | RSAKey
) -> None:
    auth.keys += PAIRS
    assert (await verifier.verify(sign({"alg": key.kid, "kid": key.kid}, key))).sub == "u"
    for other in PAIRS:
        if other is not key:
            assert (await refusal(verifier, sign({"alg": other.kid, "kid": key.kid}, other))).status == 401


async def test_a_token_that_asks_for_what_we_do_not_understand_is_refused(
    auth: Auth, verifier: TokenVerifier, sign: Sign
) -> None:
    _, payload, _ = sign().split(".")
    header = encoded(json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": "k1", "crit": ["exp"]}))
    key = auth.keys[0].as_dict(private=True)
    signature = encoded(private_key(key, "ES256").sign(f"{header}.{payload}".encode()))
    assert (await refusal(verifier, f"{header}.{payload}.{signature}")).status == 401


def test_a_short_rsa_key_is_no_key() -> None:
    with pytest.raises(ValueError, match="too short"):
        verifying_key(RSAKey.generate_key(1024, auto_kid=False).as_dict(private=False), "RS256")
