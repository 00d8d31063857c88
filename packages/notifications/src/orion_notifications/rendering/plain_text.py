"""The text part of a mail, read out of its HTML. Pure."""

import re
from html.parser import HTMLParser

BLOCKS = frozenset(
    {"address", "blockquote", "div", "dl", "dt", "dd", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr"}
    | {"li", "ol", "p", "pre", "section", "table", "tr", "ul"}
)
SILENT = frozenset({"head", "script", "style", "title", "noscript"})
_SPACES = re.compile(r"[ \t\r\f\v\n]+")
_GAPS = re.compile(r"\n{3,}")
_EDGES = re.compile(r"[ \t]*\n[ \t]*")


class _Reader(HTMLParser):
    """Reads a page as somebody would read it out: words, blocks apart, links behind what they are called."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silence = 0
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag in SILENT:
            self._silence += 1
        elif tag == "br":
            self._say("\n")
        elif tag == "li":
            self._say("\n- ")
        elif tag in BLOCKS:
            self._say("\n\n")
        elif tag == "td":
            self._say(" ")
        elif tag == "img" and (words := attributes.get("alt")):
            self._say(words)
        elif tag == "a":
            self._links.append((attributes.get("href") or "", len(self.said)))

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self._silence = max(0, self._silence - 1)
        elif tag == "a" and self._links:
            target, begun = self._links.pop()
            called = "".join(self.said[begun:]).strip()
            address = target.removeprefix("mailto:")
            if address and not address.startswith("#") and called != address:
                self._say(f" ({address})" if called else address)
        elif tag in BLOCKS and tag != "li":
            self._say("\n\n")

    def handle_data(self, data: str) -> None:
        self._say(_SPACES.sub(" ", data))

    def _say(self, words: str) -> None:
        if not self._silence:
            self.said.append(words)


def text_of(html: str) -> str:
    """What a reader of the HTML reads, as text: paragraphs apart, list items with a dash, links in brackets."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return _GAPS.sub("\n\n", _EDGES.sub("\n", "".join(reader.said))).strip()
