"""What a digest says."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

SUBJECTS = {
    "en": "{count} messages for you",
    "de": "{count} Nachrichten für Sie",
    "es": "{count} mensajes para usted",
    "fr": "{count} messages pour vous",
    "ja": "{count} 件のお知らせ",
}
LONGEST_LINE = 300


@dataclass(frozen=True)
class Item:
    """A message, in a line."""

    title: str
    text: str

    @property
    def line(self) -> str:
        """Its title, or the first line of what it says."""
        first = next((line.strip() for line in self.text.splitlines() if line.strip()), "")
        return " ".join((self.title or first).split())[:LONGEST_LINE]


def subject(locale: str, count: int) -> str:
    """In the user's language, as far as it is one of five."""
    return SUBJECTS.get(locale.split("-", maxsplit=1)[0].lower(), SUBJECTS["en"]).format(count=count)


def as_text(items: Sequence[Item]) -> str:
    """One line each."""
    return "\n".join(f"- {item.line}" for item in items) + "\n"


def as_html(items: Sequence[Item]) -> str:
    """The same as a list."""
    return "<ul>" + "".join(f"<li>{escape(item.line)}</li>" for item in items) + "</ul>"
