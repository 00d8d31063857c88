"""Passwords as they are typed: which form of the text counts, and how long it may be."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

SHORTEST, LONGEST = 8, 256
"""Code points of a new password in normal form; none is required, none is cut off."""

LONGEST_TYPED = 4 * LONGEST
"""What is read at most: a code point in normal form is typed with four at most (UAX #15, NFC/NFD expansion)."""


def normalise_password(typed: str) -> str:
    """NFC (RFC 8265 §4.2), since the same key press sends different code points on different systems."""
    return unicodedata.normalize("NFC", typed)


def _counted(typed: str) -> str:
    length = len(normalise_password(typed))
    if length < SHORTEST:
        raise PydanticCustomError(
            "password_too_short", "A password has at least {least} characters.", {"least": SHORTEST}
        )
    if length > LONGEST:
        raise PydanticCustomError("password_too_long", "A password has at most {most} characters.", {"most": LONGEST})
    return typed


Password = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TYPED)]
"""A password that is compared with what is kept."""

NewPassword = Annotated[str, StringConstraints(max_length=LONGEST_TYPED), AfterValidator(_counted)]
"""A password that somebody chooses: any 8 to 256 characters, counted in normal form (NFC)."""
