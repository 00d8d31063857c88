"""Names of people as they are taken from anybody, by whichever service."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

HIDDEN = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u2028-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufeff\uffa0\ufff0-\ufffb"
)
"""Control characters, which end up in mail headers, and those that hide, or turn what stands beside them.

Not the joiners and marks that names in Persian or Hebrew are written with.
"""

BESIDE = frozenset({"Cf", "Mn", "Me", "Zs"})
"""Categories of what is seen only by the letters beside it: joiners, marks, variation selectors, spaces."""


def is_seen(text: str) -> bool:
    """Whether there is anything for the eye."""
    return any(unicodedata.category(letter) not in BESIDE for letter in text)


def require_seen(text: str) -> str:
    """The text; ValueError where it is blank to the eye."""
    if not is_seen(text):
        raise ValueError("must have a letter that is seen")
    return text


PersonName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, pattern=f"^[^{HIDDEN}]*$"),
    AfterValidator(require_seen),
]
"""One line."""
