"""What authenticators answer, checked step by step as Web Authentication Level 3 says (§7.1, §7.2).

CBOR, keys and signatures are the library's (python-fido2). Attestation is not asked for, and not looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
)

from orion_auth.relying_party import RelyingParty

SHORTEST_ID, LONGEST_ID = 16, 1023
"""Bytes of a credential id (Level 3, §4 "credential ID")."""

RSA_BYTES = range(256, 513)
"""2048 to 4096 bits; a longer modulus would cost time at every sign-in."""


LONGEST_REASON = 200
"""Characters of what a parser says of a stranger's bytes, which may be made of them."""


class Algorithm(Enum):
    """What credentials may sign with (IANA COSE Algorithms), the one that costs least to check first."""

    ES256 = -7
    EDDSA = -8
    RS256 = -257


class RefusedError(Exception):
    """An answer is not good, and why; the reason is for the log and for whoever is signed in, never for a stranger."""


@dataclass(frozen=True)
class Attestation:
    """What an authenticator answers when it is asked for a new credential."""

    credential_id: bytes
    client_data: bytes = field(repr=False)
    attestation_object: bytes = field(repr=False)


@dataclass(frozen=True)
class Assertion:
    """What an authenticator answers when it is asked to use one."""

    credential_id: bytes
    client_data: bytes = field(repr=False)
    authenticator_data: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    user_handle: bytes | None = None


@dataclass(frozen=True)
class NewCredential:
    """A credential that has been made."""

    credential_id: bytes
    public_key: bytes
    """COSE_Key (RFC 9052)."""
    sign_count: int
    aaguid: UUID | None
    backup_eligible: bool
    backed_up: bool
    user_verified: bool


@dataclass(frozen=True)
class Signed:
    """What a good signature says."""

    sign_count: int
    backup_eligible: bool
    backed_up: bool
    user_verified: bool


def challenge_in(client_data: bytes) -> bytes | None:
    """The challenge that an answer says it is for; None when it cannot be read."""
    try:
        return CollectedClientData(client_data).challenge
    except Exception:  # a stranger's bytes: whatever they break in a parser, they are not an answer
        return None


def check_attestation(
    party: RelyingParty, challenge: bytes, answer: Attestation, *, needs_verification: bool
) -> NewCredential:
    """The credential that was made for this challenge. Raises `RefusedError`."""
    response = _response(answer.credential_id, answer.client_data, attestationObject=answer.attestation_object)
    server, state = _server(party, challenge, needs_verification=needs_verification)
    data = _checked(lambda: server.register_complete(state, response))  # pyright: ignore[reportUnknownMemberType] - not typed
    _require_first_party(answer.client_data)
    made = data.credential_data
    if made is None or made.credential_id != answer.credential_id:
        raise RefusedError("the credential id is not that of the new credential")
    if not SHORTEST_ID <= len(made.credential_id) <= LONGEST_ID:
        raise RefusedError("the credential id has no permitted length")
    _require_usable(made.public_key)
    said = _said(data)
    return NewCredential(
        credential_id=made.credential_id,
        public_key=cbor.encode(made.public_key),
        sign_count=said.sign_count,
        aaguid=UUID(bytes=bytes(made.aaguid)) if any(made.aaguid) else None,
        backup_eligible=said.backup_eligible,
        backed_up=said.backed_up,
        user_verified=said.user_verified,
    )


def check_assertion(
    party: RelyingParty, challenge: bytes, public_key: bytes, answer: Assertion, *, needs_verification: bool
) -> Signed:
    """What was signed for this challenge with this key. Raises `RefusedError`.

    Of the counter nothing is decided here: it is compared where it is kept, and only after the signature was good.
    """
    response = _response(
        answer.credential_id,
        answer.client_data,
        authenticatorData=answer.authenticator_data,
        signature=answer.signature,
    )
    server, state = _server(party, challenge, needs_verification=needs_verification)

    def check() -> AuthenticatorData:
        key = CoseKey.parse(_decoded(public_key))
        known = AttestedCredentialData.create(bytes(16), answer.credential_id, key)
        server.authenticate_complete(state, [known], response)  # pyright: ignore[reportUnknownMemberType] - not typed
        return AuthenticatorData(answer.authenticator_data)

    data = _checked(check)
    _require_first_party(answer.client_data)
    return _said(data)


NOBODYS_KEY: bytes = cbor.encode(ES256.from_cryptography_key(generate_private_key(SECP256R1()).public_key()))
"""A key to check a signature against when there is no such credential, so that it takes the same work. Its private half
is forgotten at once."""


def _server(party: RelyingParty, challenge: bytes, *, needs_verification: bool) -> tuple[Fido2Server, Any]:
    """What checks answers, and what it would have kept of the challenge."""
    entity = PublicKeyCredentialRpEntity(name=party.name, id=party.id)
    state = {
        "challenge": websafe_encode(challenge),
        "user_verification": "required" if needs_verification else "discouraged",
    }
    return Fido2Server(entity, verify_origin=party.origins.__contains__), state


def _response(credential_id: bytes, client_data: bytes, **parts: bytes) -> dict[str, Any]:
    name = websafe_encode(credential_id)
    response = {"clientDataJSON": websafe_encode(client_data)}
    response |= {part: websafe_encode(value) for part, value in parts.items()}
    return {"id": name, "rawId": name, "type": "public-key", "response": response}


def _checked(check: Callable[[], AuthenticatorData]) -> AuthenticatorData:
    try:
        return check()
    except Exception as error:  # a stranger's bytes: whatever they break in a parser, they are not an answer
        raise RefusedError((str(error) or type(error).__name__)[:LONGEST_REASON]) from None


def _require_first_party(client_data: bytes) -> None:
    if CollectedClientData(client_data).cross_origin:
        raise RefusedError("it was asked for inside a page of somebody else's")


def _require_usable(key: CoseKey) -> None:
    """Refuse algorithms that were not asked for, and keys that would fail, or cost much, at every sign-in."""
    if not isinstance(key, ES256 | EdDSA | RS256) or key.ALGORITHM not in {each.value for each in Algorithm}:
        raise RefusedError("the algorithm is none that was asked for")
    parameters: dict[int, Any] = dict(key)
    if isinstance(key, RS256) and not _has_permitted_size(parameters.get(-1), parameters.get(-2)):
        raise RefusedError("the RSA key has no permitted size")
    try:
        key.verify(b"", bytes(64))
    except InvalidSignature:
        return
    except Exception:  # as above
        raise RefusedError("the public key is none") from None
    raise RefusedError("the public key believes anything")


def _has_permitted_size(modulus: object, exponent: object) -> bool:
    return isinstance(modulus, bytes) and len(modulus.lstrip(b"\0")) in RSA_BYTES and exponent == b"\x01\x00\x01"


def _said(data: AuthenticatorData) -> Signed:
    if data.is_backed_up() and not data.is_backup_eligible():
        raise RefusedError("a credential that cannot be backed up says that it is")
    return Signed(
        sign_count=data.counter,
        backup_eligible=data.is_backup_eligible(),
        backed_up=data.is_backed_up(),
        user_verified=data.is_user_verified(),
    )


def _decoded(public_key: bytes) -> dict[int, Any]:
    decoded: Any = cbor.decode(public_key)  # pyright: ignore[reportUnknownMemberType] - not typed
    return decoded
