"""Passwords of logins, so encoded that no server log ever holds one in clear."""

import base64
import hashlib
import hmac
import os
import stringprep
import unicodedata

_ITERATIONS = 4096
"""PostgreSQL's own default (`scram_iterations`)."""


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL stores for a password under scram-sha-256, so that CREATE ROLE … PASSWORD need not see it.

    RFC 5802 §3 for the keys, RFC 5803 for the form, as in PostgreSQL's src/common/scram-common.c.
    """
    salt = os.urandom(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password).encode(), salt, _ITERATIONS)
    stored_key = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    return f"SCRAM-SHA-256${_ITERATIONS}:{_base64(salt)}${_base64(stored_key)}:{_base64(_keyed(salted, b'Server Key'))}"


def _keyed(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _prepared(password: str) -> str:
    """SASLprep (RFC 4013). A password that it prohibits is used as it is, which is what PostgreSQL does."""
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in password if not stringprep.in_table_b1(letter)
    )
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    return normal if normal and not any(_prohibited(letter) for letter in normal) else password


def _prohibited(letter: str) -> bool:
    return (
        stringprep.in_table_c12(letter)
        or stringprep.in_table_c21_c22(letter)
        or stringprep.in_table_c3(letter)
        or stringprep.in_table_c4(letter)
        or stringprep.in_table_c5(letter)
        or stringprep.in_table_c6(letter)
        or stringprep.in_table_c7(letter)
        or stringprep.in_table_c8(letter)
        or stringprep.in_table_c9(letter)
        or stringprep.in_table_a1(letter)
    )
