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

from orion_core.access_tokens import TYPE, TokenVerifier
from orion_core.signatures import ALGORITHMS, Algorithm, encode, new_jwk, private_key, verifying_key

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


async def orion(algorithm: Algorithm) -> dict[str, float]:
    """A token's first check by Orion beside the bare check of the same bytes, taken in turns, and a repeated one."""
    pair = new_jwk(algorithm)
    keys: Any = {"keys": [{**pair.as_dict(private=False), "kid": "bench", "alg": algorithm}]}
    private, public = private_key(pair.as_dict(private=True), algorithm), verifying_key(keys["keys"][0], algorithm)
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": "i", "aud": "orion", "sub": "s", "client_id": "c", "iat": now, "exp": now + 600}
    header = encode(json.dumps({"typ": TYPE, "alg": algorithm, "kid": "bench"}).encode())

    async def fetch() -> dict[str, object]:
        return keys

    verifier = TokenVerifier(fetch, "i", "orion", lambda: datetime.now(UTC))
    messages = [f"{header}.{encode(json.dumps({**claims, 'jti': str(n)}).encode())}" for n in range(ROUNDS)]
    signatures = [private.sign(message.encode()) for message in messages]
    bare: list[float] = []
    first: list[float] = []
    again: list[float] = []
    for message, signature in zip(messages, signatures, strict=True):
        token = f"{message}.{encode(signature)}"
        signed = message.encode()
        began = time.perf_counter()
        public.verify(signature, signed)
        bare.append(time.perf_counter() - began)
        for times in (first, again):
            began = time.perf_counter()
            await verifier.verify(token)
            times.append(time.perf_counter() - began)
    ratio = statistics.median(first) / statistics.median(bare)
    return {
        "bare_check_us": round(statistics.median(bare) * 1e6, 1),
        "first_to_bare": round(ratio, 2),
        "first_check_us": round(statistics.median(first) * 1e6, 1),
        "repeated_check_us": round(statistics.median(again) * 1e6, 2),
    }


if __name__ == "__main__":
    print(json.dumps({"cryptography": algorithms(), "orion": {name: asyncio.run(orion(name)) for name in ALGORITHMS}}))
