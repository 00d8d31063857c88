"""An authenticator in software, that a test may turn, and somebody who is signed in."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_bytes
from typing import TYPE_CHECKING, Any

import cbor2
import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ORIGIN, RP_ID = "https://app.example.com", "example.com"
MINE = "/auth/v1/me/passkeys"
UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40


def to_text(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def to_bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Credential:
    """A key pair that lives in the authenticator."""

    id: bytes
    handle: bytes
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    count: int = 1

    @property
    def public_key(self) -> dict[int, Any]:
        """COSE_Key (RFC 9053)."""
        match self.key:
            case ec.EllipticCurvePrivateKey():
                numbers = self.key.public_key().public_numbers()
                return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
            case ed25519.Ed25519PrivateKey():
                return {1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()}
            case rsa.RSAPrivateKey():
                public = self.key.public_key().public_numbers()
                return {1: 3, 3: -257, -1: public.n.to_bytes((public.n.bit_length() + 7) // 8), -2: b"\x01\x00\x01"}

    def sign(self, message: bytes) -> bytes:
        match self.key:
            case ec.EllipticCurvePrivateKey():
                return self.key.sign(message, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PrivateKey():
                return self.key.sign(message)
            case rsa.RSAPrivateKey():
                return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())


@dataclass
class Authenticator:
    """Does what it is asked, honestly, unless a test says otherwise."""

    credentials: list[Credential] = field(default_factory=list[Credential])
    origin: str = ORIGIN
    flags: int = UP | UV
    counts: bool = True
    aaguid: bytes = bytes(16)
    make_key: Callable[[], Any] = lambda: ec.generate_private_key(ec.SECP256R1())

    def make(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """`navigator.credentials.create(…)`, then `toJSON()`."""
        credential = Credential(token_bytes(32), to_bytes(options["user"]["id"]), self.make_key(), int(self.counts))
        self.credentials.append(credential)
        cose = cbor2.dumps(changes.pop("public_key", credential.public_key))
        identifier = changes.pop("credential_id", credential.id)
        attested = self.aaguid + len(identifier).to_bytes(2) + identifier + cose
        data = self._data(changes, AT, credential.count) + attested
        statement: dict[str, Any] = {"fmt": "none", "attStmt": {}, "authData": data}
        client_data = self._client_data("webauthn.create", options, changes)
        response = {
            "clientDataJSON": to_text(client_data),
            "attestationObject": to_text(cbor2.dumps(statement)),
            "authenticatorData": to_text(data),
            "transports": ["internal", "hybrid", "telepathy"],
            "publicKeyAlgorithm": -7,
        }
        return {
            "id": to_text(identifier),
            "rawId": to_text(identifier),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": True}},
            "response": response,
        }

    def use(self, options: dict[str, Any], credential: Credential | None = None, **changes: Any) -> dict[str, Any]:
        """`navigator.credentials.get(…)`, then `toJSON()`."""
        used = credential or self.credentials[-1]
        if self.counts:
            used.count += 1
        data = self._data(changes, 0, changes.pop("count", used.count))
        identifier = changes.pop("credential_id", used.id)
        handle = changes.pop("handle", used.handle)
        signs = changes.pop("signs", used)
        client_data = self._client_data("webauthn.get", options, changes)
        response = {
            "clientDataJSON": to_text(client_data),
            "authenticatorData": to_text(data),
            "signature": to_text(signs.sign(data + sha256(client_data).digest())),
        }
        if handle is not None:
            response["userHandle"] = to_text(handle)
        return {
            "id": to_text(identifier),
            "rawId": to_text(identifier),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": response,
        }

    def _data(self, changes: dict[str, Any], further: int, count: int) -> bytes:
        flags = changes.pop("flags", self.flags) | further
        return sha256(changes.pop("rp_id", RP_ID).encode()).digest() + bytes([flags]) + count.to_bytes(4)

    def _client_data(self, kind: str, options: dict[str, Any], changes: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False} | changes
        return json.dumps(said).encode()


@dataclass
class User:
    """Somebody who is signed in, with an authenticator."""

    auth: "Auth"
    headers: dict[str, str]
    authenticator: Authenticator

    async def options(self, kind: str = "PASSKEY") -> dict[str, Any]:
        """What is to be made."""
        begun = await self.auth.http.post(f"{MINE}/options", json={"kind": kind}, headers=self.headers)
        assert begun.status_code == 201, begun.text
        return begun.json()

    async def finish(self, credential: dict[str, Any], **fields: Any) -> httpx.Response:
        return await self.auth.http.post(MINE, json={"credential": credential} | fields, headers=self.headers)

    async def add(self, kind: str = "PASSKEY", **fields: Any) -> dict[str, Any]:
        """A passkey, added as it should be."""
        added = await self.finish(self.authenticator.make(await self.options(kind)), **fields)
        assert added.status_code == 201, added.text
        return added.json()

    async def list(self) -> list[dict[str, Any]]:
        return (await self.auth.http.get(MINE, headers=self.headers)).json()["items"]


@pytest.fixture
def authenticator() -> Authenticator:
    return Authenticator()


@pytest.fixture
async def ada(auth: "Auth", authenticator: Authenticator) -> User:
    await auth.verified()
    session = await auth.sign_in()
    return User(auth, auth.as_bearer(session.json()["access_token"]), authenticator)


@pytest.fixture
async def bob(auth: "Auth") -> User:
    await auth.verified("bob@example.com")
    session = await auth.sign_in("bob@example.com")
    return User(auth, auth.as_bearer(session.json()["access_token"]), Authenticator())
