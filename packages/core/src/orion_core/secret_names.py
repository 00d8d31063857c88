"""What is taken for a secret wherever something is written down that others read: in logs, in the audit trail."""

import re
from functools import lru_cache

REDACTED = "[redacted]"

SECRET_WORDS = r"password|passwd|secret|token|authorization|cookie|api_?-?key|private_?-?key|sealing_?-?key|credential"
SECRET_NAMES = re.compile(rf"{SECRET_WORDS}|code$|link$", re.IGNORECASE)
SECRET_VALUES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]*\.[\w-]*(?:\.[\w-]*)*"  # a JWT, signed or encrypted
    r"|\$argon2\w*\$[^\s\"']+"  # a password hash
    r"|(?<=://)[^/\s:@]*:[^/\s]+(?=@)"  # user:password in a URL
    r"|(?i:\b(?:bearer|basic)\s+[\w.~+/=-]{8,})"
    # In a query or a form. A name is looked at from its beginning alone: a long one would be from each of its parts.
    rf"|(?i:(?<![\w-])[\w-]*(?:{SECRET_WORDS}|code)=[^\s&\"']+)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
)
SECRET_SIGNS = re.compile(r"[=$:\s]|eyJ")
"""One of these is in whatever `SECRET_VALUES` finds; looking for them first makes most of a line cheap."""
PUBLIC_NAMES = frozenset({"status_code", "error_code", "country_code", "token_type", "tokens_expire_at"})
"""Names that only sound secret. A problem's `code` is logged as `error_code`; `code` alone may be a mailed one."""


@lru_cache(1024)
def is_secret_name(name: str) -> bool:
    """Whether what is called so is a secret, or may be one."""
    return name not in PUBLIC_NAMES and SECRET_NAMES.search(name) is not None


def without_secret_values(text: str) -> str:
    """The text without what looks like a secret in it, such as a token in a URL."""
    return SECRET_VALUES.sub(REDACTED, text) if SECRET_SIGNS.search(text) else text
