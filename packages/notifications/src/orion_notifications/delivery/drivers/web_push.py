"""What a browser alone can read: aes128gcm (RFC 8188) with keys agreed upon as RFC 8291 says."""

import os

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RECORD_BYTES = 4096
LONGEST = RECORD_BYTES - 16 - 1 - 86
"""What is left of 4096 bytes after the tag, the delimiter and the header (RFC 8291 §4)."""
LAST_RECORD = b"\x02"


def encrypt(content: bytes, point: bytes, auth: bytes) -> bytes:
    """The body of a push message; ValueError when the key is no point, or the content too long."""
    if len(content) > LONGEST:
        raise ValueError("too long for one record")
    theirs = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    ours = generate_private_key(SECP256R1())
    our_point = _point(ours)
    secret = HKDF(SHA256(), 32, auth, b"WebPush: info\0" + point + our_point).derive(ours.exchange(ECDH(), theirs))
    salt = os.urandom(16)
    key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(secret)
    nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(secret)
    header = salt + RECORD_BYTES.to_bytes(4) + bytes([len(our_point)]) + our_point
    return header + AESGCM(key).encrypt(nonce, content + LAST_RECORD, None)


def _point(key: EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
