"""What a digest says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

SUBJECTS = {
    "en": "{count} messages for you",
    "de": "{count} Nachrichten für Sie",
    "es": "{count} mensajes para usted",
    "fr": "{count} messages pour vous",
    "ja": "{count} 件のお知らせ",
}
MORE = {
    "en": "and {count} more",
    "de": "und {count} weitere",
    "es": "y {count} más",
    "fr": "et {count} de plus",
    "ja": "ほか {count} 件",
}
OF_DIGESTS = "digest"
"""The type of their mails."""
MOST_LINES = 200
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
    return _in(locale, SUBJECTS, count)


def lines(items: Sequence[Item], locale: str, count: int) -> list[str]:
    """One line each; of `count` messages the first MOST_LINES, and a last line for the others."""
    told = [item.line for item in items[:MOST_LINES]]
    return told if count <= len(told) else [*told, _in(locale, MORE, count - len(told))]


def as_text(told: Sequence[str]) -> str:
    """The lines in plain text."""
    return "\n".join(f"- {line}" for line in told) + "\n"


def as_html(told: Sequence[str]) -> str:
    """The same as a list."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in told) + "</ul>"


def _in(locale: str, words: Mapping[str, str], count: int) -> str:
    return words.get(locale.split("-", maxsplit=1)[0].lower(), words["en"]).format(count=count)
