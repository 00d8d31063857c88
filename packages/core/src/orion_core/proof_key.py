"""A key that this process holds, and proves with each request that it sends to another service (DPoP, RFC 9449)."""

import json
from hashlib import sha256
from uuid import uuid4

from orion_core.clock import Clock
from orion_core.dpop import SCHEME, TYPE
from orion_core.signatures import encode, new_jwk, private_key


class ProofKey:
    """A key pair, made when the process starts and never written anywhere."""

    def __init__(self, clock: Clock) -> None:
        pair = new_jwk("ES256")
        self._clock = clock
        self._key = private_key(pair.as_dict(private=True), "ES256")
        self._header = encode(
            json.dumps(
                {"typ": TYPE, "alg": "ES256", "jwk": pair.as_dict(private=False)}, separators=(",", ":")
            ).encode()
        )
        self.jkt = pair.thumbprint()

    def proof(self, method: str, url: str, token: str | None = None) -> str:
        """A proof for one request: to `url`, without query, and with `token` when one goes with it."""
        claims = {"jti": str(uuid4()), "htm": method, "htu": url, "iat": int(self._clock().timestamp())}
        if token is not None:
            claims["ath"] = encode(sha256(token.encode()).digest())
        signed = f"{self._header}.{encode(json.dumps(claims, separators=(',', ':')).encode())}"
        return f"{signed}.{encode(self._key.sign(signed.encode()))}"

    def headers(self, method: str, url: str, token: str) -> dict[str, str]:
        """The headers of a request with a token that is bound to this key."""
        return {"Authorization": f"{SCHEME} {token}", "DPoP": self.proof(method, url, token)}
