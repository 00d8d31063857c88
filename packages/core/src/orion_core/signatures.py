"""Signatures of tokens, by `cryptography` alone: ES256, EdDSA (Ed25519) and RS256 (RFC 7518, RFC 8037).

A key has one algorithm, which is ours to say; what a token's header claims chooses nothing (RFC 8725 §3.1).
"""

from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

Algorithm = Literal["ES256", "EdDSA", "RS256"]
ALGORITHMS: tuple[Algorithm, ...] = ("ES256", "EdDSA", "RS256")

RSA_BITS = 2048
_ECDSA = ECDSA(SHA256())
_PADDING = PKCS1v15()
_SHA256 = SHA256()
_P256_BYTES = 32
_TO_BASE64 = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True)
class VerifyingKey:
    """A public key, and the only algorithm it is good for."""

    algorithm: Algorithm
    verify: Callable[[bytes, bytes], None]
    """`verify(signature, message)` raises InvalidSignature."""


@dataclass(frozen=True)
class PrivateKey:
    """A key that signs."""

    algorithm: Algorithm
    sign: Callable[[bytes], bytes] = field(repr=False)


def verifying_key(jwk: Mapping[str, Any], algorithm: Algorithm) -> VerifyingKey:
    """The public key in a JWK; ValueError when it is none for that algorithm."""
    try:
        match algorithm:
            case "ES256":
                return _es256(ECKey.import_key(dict(jwk)).public_key)
            case "EdDSA":
                return _eddsa(OKPKey.import_key(dict(jwk)).public_key)
            case "RS256":
                return _rs256(RSAKey.import_key(dict(jwk)).public_key)
    except (JoseError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no key for {algorithm}: {type(error).__name__}") from None


def private_key(jwk: Mapping[str, Any], algorithm: Algorithm) -> PrivateKey:
    """The private key in a JWK of ours."""
    key = {"ES256": ECKey, "EdDSA": OKPKey, "RS256": RSAKey}[algorithm].import_key(dict(jwk)).private_key
    if isinstance(key, EllipticCurvePrivateKey):
        return PrivateKey(algorithm, lambda message: _raw(key.sign(message, _ECDSA)))
    if isinstance(key, Ed25519PrivateKey):
        return PrivateKey(algorithm, key.sign)
    if isinstance(key, RSAPrivateKey):
        return PrivateKey(algorithm, lambda message: key.sign(message, _PADDING, _SHA256))
    raise ValueError(f"no private key for {algorithm}")


def new_jwk(algorithm: Algorithm) -> ECKey | OKPKey | RSAKey:
    """A fresh key pair. One for RS256 takes a tenth of a second or more: not on an event loop."""
    match algorithm:
        case "ES256":
            return ECKey.generate_key("P-256")
        case "EdDSA":
            return OKPKey.generate_key("Ed25519")
        case "RS256":
            return RSAKey.generate_key(RSA_BITS)


def encode(data: bytes) -> str:
    """base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The inverse of `encode`; ValueError. The caller has seen to it that there are only letters of the alphabet."""
    return a2b_base64(text.encode().translate(_TO_BASE64) + b"==="[: -len(text) % 4])


def _es256(key: object) -> VerifyingKey:
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("not on P-256")

    def verify(signature: bytes, message: bytes) -> None:
        if len(signature) != 2 * _P256_BYTES:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:_P256_BYTES]), int.from_bytes(signature[_P256_BYTES:])
        key.verify(encode_dss_signature(r, s), message, _ECDSA)

    return VerifyingKey("ES256", verify)


def _eddsa(key: object) -> VerifyingKey:
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not Ed25519")
    return VerifyingKey("EdDSA", key.verify)


def _rs256(key: object) -> VerifyingKey:
    if not isinstance(key, RSAPublicKey) or key.key_size < RSA_BITS:
        raise ValueError("not RSA, or too short")
    return VerifyingKey("RS256", lambda signature, message: key.verify(signature, message, _PADDING, _SHA256))


def _raw(der: bytes) -> bytes:
    """R and s side by side, as JWS has them (RFC 7518 §3.4)."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(_P256_BYTES) + s.to_bytes(_P256_BYTES)
