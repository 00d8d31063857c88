"""What passkeys are asked for, how long they may take to answer, and what their answers are worth."""

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from uuid import UUID

CHALLENGE_LIFETIME = timedelta(minutes=5)
"""To find the key and touch it (Web Authentication Level 3, §15.1)."""

MOST = 20
"""Credentials of one user: several devices and keys, and no table to be filled at will."""

LONGEST_NAME = 100

NO_VALUE = 0
"""A counter that does not count: synced passkeys have none."""


class WebAuthnPurpose(Enum):
    """What an answer to a challenge leads to."""

    REGISTRATION = "REGISTRATION"
    SIGN_IN = "SIGN_IN"
    SECOND_FACTOR = "SECOND_FACTOR"
    PROOF = "PROOF"


class Kind(Enum):
    """What somebody wants to add."""

    PASSKEY = "PASSKEY"
    """Found without naming its user, and verifies him: it signs him in alone."""
    SECURITY_KEY = "SECURITY_KEY"
    """A touch will do, so that it is a second factor; one that verifies its user as well also signs him in alone."""


TRANSPORTS = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})
"""How a client may say that it reaches an authenticator (Level 3, §5.8.4); what else it says is not kept."""

PROVIDERS: Mapping[UUID, str] = {
    UUID("fbfc3007-154e-4ecc-8c0b-6e020557d7bd"): "iCloud Keychain",
    UUID("dd4ec289-e01d-41c9-bb89-70fa845d4bf2"): "iCloud Keychain",
    UUID("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"): "Google Password Manager",
    UUID("adce0002-35bc-c60a-648b-0b25f1f05503"): "Chrome on Mac",
    UUID("771b48fd-d3d4-4f74-9232-fc157ab0507a"): "Edge on Mac",
    UUID("08987058-cadc-4b81-b6e1-30de50dcbe96"): "Windows Hello",
    UUID("9ddd1817-af5a-4672-a2b9-3e3dd95000a9"): "Windows Hello",
    UUID("6028b017-b1d4-4c02-b4b3-afcdafc96bb2"): "Windows Hello",
    UUID("53414d53-554e-4700-0000-000000000000"): "Samsung Pass",
    UUID("bada5566-a7aa-401f-bd96-45619a55120d"): "1Password",
    UUID("d548826e-79b4-db40-a3d8-11116f7e8349"): "Bitwarden",
    UUID("531126d6-e717-415c-9320-3d9aa6981239"): "Dashlane",
    UUID("0ea242b4-43c4-4a1b-8b17-dd6d0b6baec6"): "Keeper",
    UUID("b84e4048-15dc-4dd0-8640-f4f60813c8af"): "NordPass",
    UUID("fdb141b2-5d84-443e-8a35-4698c205a502"): "KeePassXC",
    UUID("50726f74-6f6e-5061-7373-50726f746f6e"): "Proton Pass",
}
"""What keeps passkeys, by the AAGUID that it gives. Without attestation anybody may give any: it names, no more."""


def default_name(aaguid: UUID | None, client: str | None) -> str:
    """What a credential is called whose owner did not say: after what keeps it, or what it was added with."""
    provider = PROVIDERS.get(aaguid) if aaguid else None
    return (provider or client or "Passkey")[:LONGEST_NAME]


def references(*, is_synced: bool, user_verified: bool) -> tuple[str, ...]:
    """Authentication method references of an assertion (RFC 8176 §2).

    What may be copied to other devices is a key in software (`swk`); otherwise it is taken for one in hardware (`hwk`),
    as far as can be told without attestation.
    """
    key = "swk" if is_synced else "hwk"
    return (key, "user", "mfa") if user_verified else (key, "user")
