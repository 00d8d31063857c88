"""Rules of passkeys."""

from uuid import UUID

from orion_auth.passkeys.rules import PROVIDERS, default_name, references


def test_names() -> None:
    aaguid = next(iter(PROVIDERS))
    assert default_name(aaguid, "Firefox on Linux") == PROVIDERS[aaguid]
    assert default_name(UUID(int=7), "Firefox on Linux") == "Firefox on Linux"
    assert default_name(None, None) == "Passkey"
    assert len(default_name(None, "x" * 200)) == 100


def test_references() -> None:
    assert references(is_synced=True, user_verified=True) == ("swk", "user", "mfa")
    assert references(is_synced=False, user_verified=False) == ("hwk", "user")
