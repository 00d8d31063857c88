"""WebAuthn credentials."""
