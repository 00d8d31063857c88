"""Proofs that whoever sends a request holds a key (DPoP, RFC 9449): a copied token alone is then worth nothing.

A proof names the method and the URL it is for, and the token that it goes with; it is good for a minute, and once.
"""

import hmac
import json
import math
import re
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast
from urllib.parse import SplitResult, quote, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from starlette.requests import Request

from orion_core.errors import Problem
from orion_core.signatures import ALGORITHMS, Algorithm, VerifyingKey, decode, verifying_key

TYPE = "dpop+jwt"
MAX_AGE = timedelta(seconds=60)
"""How old a proof may be. A client makes one for every request, so this is time on the way and clocks that go wrong."""
LEEWAY = timedelta(seconds=10)
"""How far a client's clock may be ahead of ours."""

LONGEST_PROOF = 4096
LONGEST_ID = 255
REMEMBERED_PROOFS = 100_000
LARGEST_RSA_MODULUS = 683
"""Letters of base64url: 4096 bits. Whoever brings a key must not choose how long we reckon with it."""

SCHEME = "DPoP"
CHALLENGE = f'{SCHEME} algs="{" ".join(ALGORITHMS)}"'

_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_PORTS = {"http": 80, "https": 443}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS: dict[Algorithm, tuple[dict[str, str], tuple[str, ...]]] = {
    "ES256": ({"kty": "EC", "crv": "P-256"}, ("x", "y")),
    "EdDSA": ({"kty": "OKP", "crv": "Ed25519"}, ("x",)),
    "RS256": ({"kty": "RSA", "e": "AQAB"}, ("n",)),
}
"""What a key of each algorithm is, and what else makes up its thumbprint (RFC 7638 §3.2)."""


class InvalidProofError(Problem):
    """A proof that proves nothing; the words say why, to whoever writes the client."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, "invalid_dpop_proof", "Invalid DPoP proof", detail)


@dataclass(frozen=True)
class Proof:
    """A good proof."""

    jkt: str
    """Thumbprint of the key that signed it."""
    id: bytes
    """SHA-256 of the key and the proof's `jti`: the same for the same proof alone."""
    expires_at: datetime
    """Until when it has to be remembered."""


class ProofReader:
    """Reads the proofs of requests to one service."""

    def __init__(self, public_urls: Sequence[str] = ()) -> None:
        """`public_urls` are what clients' URLs begin with; without any, it is whatever host a request names."""
        self._public = [_normal(urlsplit(url.rstrip("/"))) for url in public_urls]

    def read(self, request: Request, now: datetime, access_token: str | None = None) -> Proof:
        """The proof that a request carries, for this request and now; raises InvalidProofError.

        With `access_token` it must be for that token. Whether it was shown before is still to be found out.
        """
        shown = request.headers.getlist("dpop")
        if len(shown) != 1:
            raise InvalidProofError("Send exactly one DPoP header, with a proof made for this request.")
        jkt, claims = _verified(shown[0])
        if claims["htm"] != request.method:
            raise InvalidProofError("htm of the DPoP proof is not the method of this request.")
        if not self._is_here(claims["htu"], request):
            raise InvalidProofError("htu of the DPoP proof is not the URL of this request, without query and fragment.")
        issued_at = _moment(claims["iat"])
        if issued_at is None or not now - MAX_AGE <= issued_at <= now + LEEWAY:
            raise InvalidProofError(f"iat of the DPoP proof is not now; a proof is good for {MAX_AGE.seconds} seconds.")
        if access_token is not None and not _is_hash_of(claims.get("ath"), access_token):
            raise InvalidProofError("ath of the DPoP proof is not the hash of the access token.")
        identified = sha256(f"{jkt} {claims['jti']}".encode("utf-8", "surrogatepass")).digest()
        return Proof(jkt, identified, issued_at + MAX_AGE)

    def _is_here(self, url: str, request: Request) -> bool:
        raw = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
        path = _normal_path(raw.partition(b"?")[0].decode("latin-1"))
        try:
            named = _normal(urlsplit(url))
            if self._public:
                return any(named == (scheme, host, port, before + path) for scheme, host, port, before in self._public)
            # Proxies end TLS: without being told, a service cannot know whether its clients say https.
            host = _normal(urlsplit(f"{named[0]}://{request.headers.get('host', '')}"))[1:3]
        except ValueError:
            return False
        return named[0] in _PORTS and named[1:] == (*host, path)


class SeenProofs:
    """The proofs that this process has seen, for as long as they are good; the oldest go when there are too many."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, datetime] = OrderedDict()

    def is_first(self, proof: Proof, now: datetime) -> bool:
        """Note a proof; False when it was noted before."""
        while self._seen and (len(self._seen) >= REMEMBERED_PROOFS or next(iter(self._seen.values())) < now):
            self._seen.popitem(last=False)
        if proof.id in self._seen:
            return False
        self._seen[proof.id] = proof.expires_at
        return True


def _verified(text: str) -> tuple[str, dict[str, Any]]:
    """The thumbprint of the key and the claims of a proof whose signature is good."""
    parts = _FORM.fullmatch(text) if len(text) <= LONGEST_PROOF else None
    if parts is None:
        raise _malformed()
    header, claims = _json(parts[1]), _json(parts[2])
    algorithm, jwk = header.get("alg"), header.get("jwk")
    if header.get("typ") != TYPE or algorithm not in ALGORITHMS or "crit" in header or not isinstance(jwk, dict):
        algorithms = ", ".join(ALGORITHMS)
        raise InvalidProofError(f"A DPoP proof is a JWT with typ {TYPE}, alg one of {algorithms}, and its key as jwk.")
    jkt, key = _key(algorithm, _canonical(algorithm, cast("dict[str, Any]", jwk)))
    try:
        key.verify(decode(parts[3]), text[: parts.end(2)].encode())
    except (InvalidSignature, ValueError):
        raise InvalidProofError("The signature of the DPoP proof is not that of its key.") from None
    if not all(isinstance(claims.get(name), str) for name in ("jti", "htm", "htu")) or "iat" not in claims:
        raise InvalidProofError("A DPoP proof has the claims jti, htm, htu and iat.")
    if not 0 < len(claims["jti"]) <= LONGEST_ID:
        raise InvalidProofError(f"jti of the DPoP proof has 1 to {LONGEST_ID} characters.")
    return jkt, claims


def _canonical(algorithm: Algorithm, jwk: dict[str, Any]) -> str:
    """The public key as RFC 7638 §3 writes it."""
    if not _PRIVATE.isdisjoint(jwk):
        raise InvalidProofError(
            "The jwk of the DPoP proof holds a private key: it is no secret any more. Make a new one."
        )
    fixed, further = _MEMBERS[algorithm]
    members = {name: jwk.get(name) for name in (*fixed, *further)}
    for name in further:
        value = members[name]
        if not isinstance(value, str) or len(value) > LARGEST_RSA_MODULUS or not _BASE64URL.fullmatch(value):
            raise _no_key(algorithm)
    if not fixed.items() <= members.items():
        raise _no_key(algorithm)
    return json.dumps(members, separators=(",", ":"), sort_keys=True)


@lru_cache(maxsize=4096)
def _key(algorithm: Algorithm, canonical: str) -> tuple[str, VerifyingKey]:
    try:
        key = verifying_key(json.loads(canonical), algorithm)
    except ValueError:
        raise _no_key(algorithm) from None
    return _base64url(sha256(canonical.encode()).digest()), key


def _json(segment: str) -> dict[str, Any]:
    try:
        read = json.loads(decode(segment))
    except (ValueError, RecursionError):
        raise _malformed() from None
    if not isinstance(read, dict):
        raise _malformed()
    return cast("dict[str, Any]", read)


def _moment(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _is_hash_of(shown: object, access_token: str) -> bool:
    expected = _base64url(sha256(access_token.encode()).digest())
    return isinstance(shown, str) and hmac.compare_digest(shown.encode("utf-8", "replace"), expected.encode())


def _normal(url: SplitResult) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path, so that equal URLs are the same (RFC 3986 §6.2.2, §6.2.3); raises ValueError."""
    scheme = url.scheme.lower()
    return scheme, (url.hostname or "").lower(), url.port or _PORTS.get(scheme), _normal_path(url.path)


def _normal_path(path: str) -> str:
    """Escapes in capitals, and none of what needs none."""
    return "/".join(quote(unquote(part, "latin-1"), safe="~", encoding="latin-1") for part in path.split("/"))


def _base64url(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def proof_missing() -> InvalidProofError:
    """The refusal of whoever asks for tokens without a proof where all of them are bound to a key."""
    return InvalidProofError("Here every token is bound to a key: send a DPoP proof of yours (RFC 9449).")


def _malformed() -> InvalidProofError:
    return InvalidProofError("The DPoP proof is no signed JWT.")


def _no_key(algorithm: Algorithm) -> InvalidProofError:
    return InvalidProofError(f"The jwk of the DPoP proof is no key for {algorithm}.")
