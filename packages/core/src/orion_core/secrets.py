"""Bearer secrets: made here, handed out once, stored only as what cannot be turned back."""

import secrets
from hashlib import sha256

SECRET_BYTES = 32
CODE_DIGITS = 6


def new_secret() -> str:
    """256 random bits as URL-safe text; too many to guess, so a plain SHA-256 may be stored (OWASP ASVS 5.0, 11.4)."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_selector() -> str:
    """A public, non-secret name of a token: what a row is found by, without comparing secrets."""
    return secrets.token_urlsafe(16)


def new_code() -> str:
    """A short code for a person to type; guessable, so it is stored as an HMAC and its tries are counted."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def hash_secret(secret: str) -> bytes:
    """SHA-256 of a high-entropy secret."""
    return sha256(secret.encode()).digest()
