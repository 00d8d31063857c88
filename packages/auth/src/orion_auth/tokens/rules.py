"""The form of our opaque tokens: `selector.secret`, of which only the selector is kept in the clear."""

import re
from dataclasses import dataclass, field

MOST_CODE_TRIES = 5
"""At the short code of one mail."""

_FORM = re.compile(r"([A-Za-z0-9_-]{16,64})\.([A-Za-z0-9_-]{32,128})")


@dataclass(frozen=True)
class BearerToken:
    """A token as its bearer shows it."""

    selector: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The token as it is handed out."""
        return f"{self.selector}.{self.secret}"


def parse(text: str) -> BearerToken | None:
    """The parts of a token, or None when it cannot be one of ours."""
    match = _FORM.fullmatch(text)
    return BearerToken(match[1], match[2]) if match else None
