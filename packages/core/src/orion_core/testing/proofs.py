"""A client that holds a key, and proves it with each request (RFC 9449)."""

import json
from hashlib import sha256
from typing import Any
from uuid import uuid4

from orion_core.clock import Clock
from orion_core.dpop import TYPE
from orion_core.signatures import Algorithm, encode, new_jwk, private_key


class ProofKey:
    """A key pair of a client."""

    def __init__(self, clock: Clock, algorithm: Algorithm = "ES256") -> None:
        pair = new_jwk(algorithm)
        self._clock = clock
        self._key = private_key(pair.as_dict(private=True), algorithm)
        self.algorithm = algorithm
        self.private: dict[str, Any] = dict(pair.as_dict(private=True))
        self.jwk: dict[str, Any] = dict(pair.as_dict(private=False))
        self.jkt = pair.thumbprint()

    def proof(
        self, method: str, url: str, token: str | None = None, *, header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """A proof for one request that is good but for what is said; None leaves a claim out."""
        claims = {"jti": str(uuid4()), "htm": method, "htu": url, "iat": int(self._clock().timestamp())}
        if token is not None:
            claims["ath"] = encode(sha256(token.encode()).digest())
        whole = {"typ": TYPE, "alg": self.algorithm, "jwk": self.jwk} | (header or {})
        parts = (whole, {name: value for name, value in (claims | changes).items() if value is not None})
        signed = ".".join(encode(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{encode(self._key.sign(signed.encode()))}"

    def headers(self, method: str, url: str, token: str) -> dict[str, str]:
        """The headers of a request with a token that is bound to this key."""
        return {"Authorization": f"DPoP {token}", "DPoP": self.proof(method, url, token)}
