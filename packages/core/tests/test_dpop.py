"""A proof is good for one request, of the holder of its key, now and once (RFC 9449 §4.3). Nothing else is one."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from orion_core import dpop
from orion_core.dpop import LEEWAY, MAX_AGE, InvalidProofError, Proof, ProofReader, SeenProofs
from orion_core.signatures import ALGORITHMS, Algorithm, encode, new_jwk
from orion_core.testing import MovableClock
from orion_core.testing.proofs import ProofKey

URL = "https://api.test/user/v1/me"
TOKEN = "a.b.c"


@pytest.fixture
def key(clock: MovableClock) -> ProofKey:
    return ProofKey(clock)


def request(*proofs: str, method: str = "GET", path: str = "/user/v1/me", host: str = "api.test") -> Request:
    headers = [(b"host", host.encode()), *((b"dpop", proof.encode("latin-1")) for proof in proofs)]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": headers}
    return Request(scope)


@pytest.fixture
def read(clock: MovableClock) -> Callable[..., Proof]:
    def read(*proofs: str, token: str | None = TOKEN, public: tuple[str, ...] = (), **of_request: str) -> Proof:
        return ProofReader(public).read(request(*proofs, **of_request), clock(), token)

    return read


Read = Callable[..., Proof]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_proof_tells_its_key(clock: MovableClock, read: Read, algorithm: Algorithm) -> None:
    key = ProofKey(clock, algorithm)
    proof = read(key.proof("GET", URL, TOKEN))
    assert (proof.jkt, proof.expires_at) == (key.jkt, clock().replace(microsecond=0) + MAX_AGE)


def test_without_a_token_none_is_named(key: ProofKey, read: Read) -> None:
    assert read(key.proof("GET", URL), token=None).jkt == key.jkt


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "POST"},
        {"htm": "get"},
        {"htm": None},
        {"htu": "https://api.test/user/v1/me/"},
        {"htu": "https://api.test/user/v1/other"},
        {"htu": "https://evil.test/user/v1/me"},
        {"htu": "https://api.test:8443/user/v1/me"},
        {"htu": "https://api.test@evil.test/user/v1/me"},
        {"htu": "ftp://api.test/user/v1/me"},
        {"htu": "/user/v1/me"},
        {"htu": "https://[/user/v1/me"},
        {"htu": "https://api.test:port/user/v1/me"},
        {"htu": "\ud800"},
        {"htu": None},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 256},
        {"jti": 7},
        {"iat": None},
        {"iat": "now"},
        {"iat": True},
        {"iat": 1e400},
        {"iat": 10**30},
        {"ath": None},
        {"ath": "other"},
        {"ath": "é\ud800"},
        {"ath": 1},
    ],
    ids=str,
)
def test_its_claims_are_of_this_request(key: ProofKey, read: Read, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidProofError):
        read(key.proof("GET", URL, TOKEN, **changes))


def test_a_proof_of_now_is_good_for_a_minute(key: ProofKey, read: Read, clock: MovableClock) -> None:
    proof = key.proof("GET", URL, TOKEN)
    clock.advance(seconds=(MAX_AGE - timedelta(seconds=2)).total_seconds())
    read(proof)
    clock.advance(seconds=3)
    with pytest.raises(InvalidProofError):
        read(proof)
    ahead = int((clock() + LEEWAY).timestamp())
    read(key.proof("GET", URL, TOKEN, iat=ahead - 1))
    with pytest.raises(InvalidProofError):
        read(key.proof("GET", URL, TOKEN, iat=ahead + 1))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"typ": "at+jwt"},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "EdDSA"},
        {"alg": ["ES256"]},
        {"alg": None},
        {"jwk": None},
        {"jwk": []},
        {"jwk": {}},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": 1, "y": {}}},
        {"jwk": {"kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA"}},
        {"crit": ["exp"]},
    ],
    ids=str,
)
def test_its_header_brings_a_public_key_and_its_algorithm(key: ProofKey, read: Read, header: dict[str, Any]) -> None:
    with pytest.raises(InvalidProofError):
        read(key.proof("GET", URL, TOKEN, header=header))


def test_a_private_key_in_a_proof_is_pointed_out(key: ProofKey, read: Read) -> None:
    with pytest.raises(InvalidProofError, match="private"):
        read(key.proof("GET", URL, TOKEN, header={"jwk": key.private}))


def test_the_key_must_have_signed(key: ProofKey, read: Read, clock: MovableClock) -> None:
    with pytest.raises(InvalidProofError):
        read(key.proof("GET", URL, TOKEN, header={"jwk": ProofKey(clock).jwk}))


def test_a_key_that_would_take_long_is_not_reckoned_with(clock: MovableClock, read: Read) -> None:
    key = ProofKey(clock, "RS256")
    for change in ({"n": "A" * 700}, {"e": "A" * 300}, {"e": "AQ"}, {"n": key.jwk["n"][:100]}):
        with pytest.raises(InvalidProofError):
            read(key.proof("GET", URL, TOKEN, header={"jwk": key.jwk | change}))


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_is_shown(key: ProofKey, read: Read, count: int) -> None:
    with pytest.raises(InvalidProofError):
        read(*(key.proof("GET", URL, TOKEN) for _ in range(count)))


@pytest.mark.parametrize(
    ("url", "path", "host"),
    [
        ("https://API.test:443/user/v1/me?x=1#y", "/user/v1/me", "api.test"),
        ("http://api.test/user/v1/me", "/user/v1/me", "api.test:80"),
        ("https://api.test:8443/user/v1/me", "/user/v1/me", "API.TEST:8443"),
        ("https://api.test/a%2fb/%7ec", "/a%2Fb/~c", "api.test"),
    ],
)
def test_equal_urls_are_the_same(key: ProofKey, read: Read, url: str, path: str, host: str) -> None:
    assert read(key.proof("GET", url, TOKEN), path=path, host=host)


def test_who_says_where_his_clients_are_does_not_believe_the_host(key: ProofKey, read: Read) -> None:
    public = ("https://api.test/prefix/", "https://other.test")
    for url in ("https://api.test/prefix/user/v1/me", "https://other.test/user/v1/me"):
        assert read(key.proof("GET", url, TOKEN), public=public, host="anything")
    for url in (URL, "http://other.test/user/v1/me", "https://anything/user/v1/me"):
        with pytest.raises(InvalidProofError):
            read(key.proof("GET", url, TOKEN), public=public, host="anything")


@given(st.text(max_size=80) | st.builds(".".join, st.lists(st.text("AQabewy_-", max_size=30), min_size=3, max_size=3)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_is_refused_and_fails_nowhere(read: Read, text: str) -> None:
    with pytest.raises(InvalidProofError):
        read(text.encode("utf-8", "replace").decode("latin-1"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3),
    )
)
def test_any_json_is_refused_and_fails_nowhere(value: object) -> None:
    for name in ("typ", "alg", "jwk", "jti", "htm", "htu", "iat"):
        parts = [json.dumps({name: value}), json.dumps(value)]
        clock = MovableClock()
        with pytest.raises(InvalidProofError):
            ProofReader().read(request(".".join(encode(part.encode()) for part in [*parts, "x"])), clock())


def test_a_proof_is_seen_once_while_it_is_good(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = SeenProofs()
    proofs = [Proof("k", bytes([n]), clock() + MAX_AGE) for n in range(4)]
    assert seen.is_first(proofs[0], clock())
    assert not seen.is_first(proofs[0], clock())
    clock.advance(seconds=MAX_AGE.total_seconds() + 1)
    assert seen.is_first(proofs[0], clock())  # forgotten: by now its iat refuses it
    monkeypatch.setattr(dpop, "REMEMBERED_PROOFS", 2)
    fresh = [Proof("k", bytes([n]), clock() + MAX_AGE) for n in range(4)]
    assert all(seen.is_first(proof, clock()) for proof in fresh)
    assert not seen.is_first(fresh[-1], clock())


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    pair = new_jwk("RS256")
    canonical = dpop._canonical("RS256", dict(pair.as_dict(private=False)) | {"kid": "x", "use": "sig"})
    assert dpop._key("RS256", canonical)[0] == pair.thumbprint()
