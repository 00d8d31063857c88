"""Sealed fields: what must be read back is kept under AES-256-GCM, bound to its place, and can be re-keyed online.

An envelope is `0x01 | length of key id | key id | 96-bit nonce | ciphertext and tag` (NIST SP 800-38D). Nonces are
random, so one key should seal less than 2³² fields; rotate long before.
"""

import hmac
import os
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

VERSION = b"\x01"
NONCE_BYTES = 12


class SealError(Exception):
    """An envelope that cannot be opened: its key is not in the ring, it was changed, or it belongs to another place."""


class Keyring:
    """Keys by id. The first one seals and derives; all of them open."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self.keys = keys

    def __repr__(self) -> str:
        """The ids alone."""
        return f"Keyring({', '.join(self.keys)})"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `id:base64,id:base64`; raises ValueError that does not repeat the secret."""
        keys: dict[str, bytes] = {}
        for number, entry in enumerate(text.split(","), start=1):
            key_id, _, encoded = entry.strip().partition(":")
            try:
                key = b64decode(encoded, validate=True)
            except ValueError:
                key = b""
            if not key_id or len(key_id) > 32 or len(key) != 32 or key_id in keys:
                raise ValueError(f"key {number} must be ID:BASE64 with 32 bytes under an id of its own")
            keys[key_id] = key
        return cls(keys)

    @staticmethod
    def new_key(key_id: str) -> str:
        """A fresh key in the form that `parse` reads."""
        return f"{key_id}:{b64encode(os.urandom(32)).decode()}"

    @staticmethod
    def example() -> str:
        """What the setting looks like, with a key that nobody uses."""
        return f"2026a:{b64encode(b'not-a-key-'.ljust(32, b'.')).decode()}"

    @property
    def active_id(self) -> str:
        """Id of the key that seals."""
        return next(iter(self.keys))

    def seal(self, plaintext: bytes, associated_data: str) -> bytes:
        """Seal under the active key; opening needs the same `associated_data` (see `place`)."""
        key_id = self.active_id.encode()
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = AESGCM(self.keys[self.active_id]).encrypt(nonce, plaintext, associated_data.encode())
        return VERSION + bytes([len(key_id)]) + key_id + nonce + ciphertext

    def open(self, envelope: bytes, associated_data: str) -> bytes:
        """The plaintext, or SealError."""
        key_id = sealing_key_id(envelope)
        body = envelope[2 + len(key_id.encode()) :]
        if key_id not in self.keys:
            raise SealError(f"sealed under key {key_id!r}, which is not in the keyring")
        try:
            return AESGCM(self.keys[key_id]).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], associated_data.encode())
        except (InvalidTag, ValueError):
            raise SealError("the sealed value was changed or belongs to another place") from None

    def seal_text(self, plaintext: str, associated_data: str) -> str:
        """Like `seal`, as URL-safe text, for places that hold no bytes (an event)."""
        return urlsafe_b64encode(self.seal(plaintext.encode(), associated_data)).decode()

    def open_text(self, envelope: str, associated_data: str) -> str:
        """The inverse of `seal_text`."""
        try:
            return self.open(urlsafe_b64decode(envelope), associated_data).decode()
        except ValueError:
            raise SealError("not a sealed text") from None

    def derive(self, purpose: str) -> list[bytes]:
        """A 32-byte key for `purpose` from each key of the ring, the active one first (HKDF-Expand, RFC 5869)."""
        return [HKDFExpand(SHA256(), 32, purpose.encode()).derive(key) for key in self.keys.values()]

    def mac(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA-256 of `message` under the active key for `purpose`."""
        return hmac.digest(self.derive(purpose)[0], message, sha256)

    def macs(self, purpose: str, message: bytes) -> list[bytes]:
        """The HMACs under every key of the ring, the active one first: one of them finds what is kept by its HMAC."""
        return [hmac.digest(key, message, sha256) for key in self.derive(purpose)]

    def verify_mac(self, purpose: str, message: bytes, mac: bytes, length: int = 32) -> bool:
        """Whether `mac` is the first `length` bytes that any key of the ring makes; in constant time for each key."""
        expected = self.macs(purpose, message)
        return any([hmac.compare_digest(candidate[:length], mac) for candidate in expected])  # noqa: C419 - no early way out


def place(table: str, column: str, row_id: object) -> str:
    """Associated data of a sealed column: moved to another row or column, an envelope does not open."""
    return f"{table}.{column}:{row_id}"


def sealing_key_id(envelope: bytes) -> str:
    """Id of the key an envelope was sealed under; SealError when it is no envelope."""
    if envelope[:1] != VERSION or len(envelope) < 2 + NONCE_BYTES:
        raise SealError("not a sealed value")
    return envelope[2 : 2 + envelope[1]].decode(errors="replace")
