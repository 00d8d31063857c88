"""The form of API keys, `orn_<env>_<prefix>_<secret><checksum>`: user makes them, auth knows them.

The checksum is CRC32 of everything before it, in six base62 digits, as GitHub's tokens have it: who finds a string that
looks like a key knows offline, without asking us, whether it can be one. It protects from nothing; the secret does.
"""

import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import Literal, Self

from orion_core.secrets import hash_secret

BRAND = "orn"
Stage = Literal["live", "test", "dev"]
"""`<env>`: whether a key that was found opens production."""

STAGES: dict[str, Stage] = {"production": "live", "test": "test", "development": "dev"}
"""By `ORION_ENV`."""

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX_LENGTH = 12
SECRET_LENGTH = 43
"""62⁴³ is just above 2²⁵⁶."""
CHECKSUM_LENGTH = 6

PATTERN = rf"\b{BRAND}_(?:live|test|dev)_[0-9A-Za-z]{{12}}_[0-9A-Za-z]{{49}}\b"
"""What scanners for secrets look for (docs/api-keys.md)."""

LONGEST = 80

_FORM = re.compile(rf"({BRAND}_(live|test|dev)_([0-9A-Za-z]{{12}})_([0-9A-Za-z]{{43}}))([0-9A-Za-z]{{6}})", re.ASCII)


@dataclass(frozen=True)
class ApiKeyText:
    """A key as its bearer shows it: well-formed, with the right checksum, and perhaps nobody's."""

    stage: Stage
    prefix: str
    """What the key is found by; no secret."""
    secret: str = field(repr=False)

    @property
    def client_id(self) -> str:
        """The public part: what a program that uses the key is called in token requests and in its tokens."""
        return f"{BRAND}_{self.stage}_{self.prefix}"

    @property
    def text(self) -> str:
        """The key as it is handed out, once."""
        body = f"{self.client_id}_{self.secret}"
        return body + checksum(body)

    @property
    def secret_hash(self) -> bytes:
        """What is kept of it."""
        return hash_secret(self.secret)

    @classmethod
    def new(cls, stage: Stage) -> Self:
        """A key that nobody has had: 256 random bits, and 71 more for its name."""
        return cls(stage, _random(PREFIX_LENGTH), _random(SECRET_LENGTH))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The parts of a key; None when it cannot be one, for its form or its checksum."""
        match = _FORM.fullmatch(text)
        if match is None or checksum(match[1]) != match[5]:
            return None
        stage: Stage = match[2]  # pyright: ignore[reportAssignmentType] - the form says so
        return cls(stage, match[3], match[4])


def checksum(body: str) -> str:
    """CRC32 in base62, most significant digit first, filled up with zeros."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
