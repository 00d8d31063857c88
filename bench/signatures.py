"""What signing and checking a token costs, by algorithm, beside Orion's own check. Prints JSON; microseconds, medians.

`TokenVerifier` checking a token for the first time is to be compared with the bare check of `cryptography`.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.jwk import ECKey, KeySet

from orion_core.access_tokens import ALGORITHM, TYPE, TokenVerifier

MESSAGE = b"x" * 500
ROUNDS = 400


def median_us(work: Callable[[], Any]) -> float:
    """Median microseconds of one call."""
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1e6, 1)


def algorithms() -> dict[str, dict[str, float]]:
    """Signing and checking with `cryptography` alone."""
    es256, eddsa = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    rs256 = rsa.generate_private_key(65537, 2048)
    ecdsa, pkcs1 = ec.ECDSA(SHA256()), padding.PKCS1v15()
    signed = (es256.sign(MESSAGE, ecdsa), eddsa.sign(MESSAGE), rs256.sign(MESSAGE, pkcs1, SHA256()))
    es256_public, eddsa_public, rs256_public = es256.public_key(), eddsa.public_key(), rs256.public_key()
    return {
        "ES256": {
            "sign_us": median_us(lambda: es256.sign(MESSAGE, ecdsa)),
            "verify_us": median_us(lambda: es256_public.verify(signed[0], MESSAGE, ecdsa)),
        },
        "EdDSA": {
            "sign_us": median_us(lambda: eddsa.sign(MESSAGE)),
            "verify_us": median_us(lambda: eddsa_public.verify(signed[1], MESSAGE)),
        },
        "RS256": {
            "sign_us": median_us(lambda: rs256.sign(MESSAGE, pkcs1, SHA256())),
            "verify_us": median_us(lambda: rs256_public.verify(signed[2], MESSAGE, pkcs1, SHA256())),
        },
    }


async def orion() -> dict[str, float]:
    """A token's first check by Orion, and a repeated one."""
    key = ECKey.generate_key("P-256", {"kid": "bench"})
    keys: Any = KeySet([key]).as_dict(private=False)
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": "i", "aud": "orion", "sub": "s", "client_id": "c", "iat": now, "exp": now + 600}
    header = {"typ": TYPE, "alg": ALGORITHM, "kid": "bench"}

    async def fetch() -> dict[str, object]:
        return keys

    verifier = TokenVerifier(fetch, "i", "orion", lambda: datetime.now(UTC))
    tokens = [jws.serialize_compact(header, json.dumps({**claims, "jti": str(n)}), key) for n in range(ROUNDS)]
    first: list[float] = []
    again: list[float] = []
    for times in (first, again):
        for token in tokens:
            began = time.perf_counter()
            await verifier.verify(token)
            times.append(time.perf_counter() - began)
    return {
        "first_check_us": round(statistics.median(first) * 1e6, 1),
        "repeated_check_us": round(statistics.median(again) * 1e6, 2),
    }


if __name__ == "__main__":
    print(json.dumps({"cryptography": algorithms(), "orion": asyncio.run(orion())}))
