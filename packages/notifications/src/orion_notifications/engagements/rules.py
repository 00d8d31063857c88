"""Which links are followed through us, and who is no reader: proxies and scanners open and follow everything. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from html import escape, unescape

MOST_RECORDED = 100
"""Of one message, of readers and of machines each: whoever repeats a link for ever fills nothing, and what a scanner
does leaves room for the reader.
"""
MOST_LINKS = 500
LONGEST_URL = 2_000
TOO_SOON = timedelta(seconds=5)
"""Nobody has a mail, reads it and follows a link within this after it was handed over; scanners at the door do."""
MANY_LINKS = 3
"""So many links of one message within a second are followed by no hand."""


class EngagementKind(Enum):
    """What was done with a mail."""

    OPEN = auto()
    CLICK = auto()


class Agent(Enum):
    """What kind of program asked."""

    BROWSER = auto()
    PROXY = auto()
    """It fetches images for readers, also for those who never look: Apple's, Google's, Yahoo's."""
    SCANNER = auto()
    """It says itself that nobody sits before it."""


@dataclass(frozen=True)
class Seen:
    """One request for a link or for the picture, and what is known of the message."""

    agent: Agent
    is_head: bool
    is_ahead: bool
    """A browser fetches it in case its user should go there."""
    since_sent: timedelta | None
    """Null: it is not even written that it has left."""
    links_within_a_second: int
    """Different ones of the message, with this one. The picture is none."""


PROXIES = ("googleimageproxy", "yahoomailproxy", "duckduckgo-mail")
APPLE = "Mozilla/5.0"
"""All that Apple's Mail Privacy Protection says of itself."""
BOT = re.compile(r"(?<!cu)bot")
"""Not Cubot, who makes phones."""
SCANNERS = (
    *("crawler", "spider", "preview", "scanner", "headless", "externalhit", "monitor"),
    *("curl/", "wget/", "python", "go-http-client", "java/", "okhttp", "libwww", "aiohttp", "node-fetch", "axios"),
    *("barracuda", "proofpoint", "mimecast", "symantec", "trendmicro", "safelinks", "urldefense", "fortiguard"),
)


def agent_of(user_agent: str) -> Agent:
    """The kind of program, by what it says of itself; who says nothing is no browser."""
    said = user_agent.strip().lower()
    if user_agent.strip() == APPLE or any(name in said for name in PROXIES):
        return Agent.PROXY
    if not said or BOT.search(said) or any(name in said for name in SCANNERS):
        return Agent.SCANNER
    return Agent.BROWSER


def is_ahead(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that it fetches in advance: Sec-Purpose (Fetch, 3.1.8), and what older ones say."""
    said = (headers.get(name, "").lower() for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))
    return any(word in each for each in said for word in ("prefetch", "prerender", "preview"))


def machine_reason(seen: Seen) -> str | None:
    """Why it was no reader, as a stable code; None for a reader, as far as can be told."""
    if seen.is_head:
        return "head_request"
    if seen.is_ahead:
        return "prefetch"
    if seen.agent is Agent.PROXY:
        return "mail_proxy"
    if seen.agent is Agent.SCANNER:
        return "scanner"
    if seen.since_sent is None or seen.since_sent < TOO_SOON:
        return "too_soon"
    return "many_links" if seen.links_within_a_second >= MANY_LINKS else None


_HREF = re.compile(
    r"""(<a\b(?:[^<>"']|"[^"]*"|'[^']*')*?\shref\s*=\s*)("[^"]*"|'[^']*')""",
    re.IGNORECASE,
)
_END = re.compile(r"</body\s*>", re.IGNORECASE)


def with_links(html: str, own: str, through: Callable[[int, str], str]) -> str:
    """The mail with its links to the web replaced by what `through` makes of their number and URL.

    Those that begin with `own`, by which readers unsubscribe or choose, stay; so does what is no http(s), as mailto:
    and tel:.
    """
    number = 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal number
        url = unescape(found[2][1:-1]).strip()
        if not url.lower().startswith(("https://", "http://")) or url.startswith(own) or len(url) > LONGEST_URL:
            return found[0]
        number += 1
        return found[0] if number > MOST_LINKS else f'{found[1]}"{escape(through(number, url))}"'

    return _HREF.sub(replaced, html)


def with_picture(html: str, url: str) -> str:
    """The mail with a picture of one pixel at its end."""
    picture = f'<img src="{escape(url)}" width="1" height="1" alt="" style="border:0">'
    ends = list(_END.finditer(html))
    at = ends[-1].start() if ends else len(html)
    return html[:at] + picture + html[at:]
