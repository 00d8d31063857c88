"""Rendering: what a template says to one reader, escaped as its channel asks; and the choice of a language."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from liquid.exceptions import LiquidError

from orion_notifications.kinds import Channel
from orion_notifications.rendering.engine import LONGEST_OUTPUT, MARKUP, PLAIN, Liquid, Meter, Template
from orion_notifications.rendering.faults import TemplateFaultError
from orion_notifications.rendering.filters import get_ready
from orion_notifications.rendering.languages import choose_locale

__all__ = [
    "MASK",
    "NOT_TRACKED",
    "SUPPLIED",
    "Compiled",
    "Content",
    "Links",
    "TemplateFaultError",
    "TemplateKind",
    "Tracks",
    "choose_locale",
    "compile_content",
    "misfits",
    "render",
    "secret_names",
]

MASK = "••••••"
"""What stands in the record in place of a secret."""

LONGEST_SUBJECT = 998
"""RFC 5322 §2.1.1: no line of a mail is longer."""
LONGEST_TEXT = 100_000
LONGEST_HTML = LONGEST_OUTPUT

SUPPLIED = frozenset({"locale", "lang", "timezone", "unsubscribe_url", "preferences_url"})
"""What every template is given besides the variables it declares: the language as Babel spells it (`pt_BR`) and as HTML
does (`pt-BR`), the reader's zone, and where they can be rid of such messages."""


class TemplateKind(Enum):
    """What a template is for: messages, or to be part of others."""

    MESSAGE = auto()
    LAYOUT = auto()
    PARTIAL = auto()


@dataclass(frozen=True)
class Content:
    """What a recipient reads."""

    subject: str
    text: str
    html: str | None


@dataclass(frozen=True)
class Links:
    """Where a reader can be rid of such messages; empty where there is no such place."""

    unsubscribe_url: str = ""
    preferences_url: str = ""


NO_LINKS = Links()


def _unescaped(text: str) -> str:
    return text


@dataclass(frozen=True)
class Tracks:
    """What a version wants to know of its mails."""

    opens: bool = False
    clicks: bool = False


NOT_TRACKED = Tracks()


@dataclass(frozen=True)
class Compiled:
    """One locale of one version, parsed."""

    subject: Template
    text: Template
    html: Template | None
    escape: Callable[[str], str] = field(default=_unescaped)
    """What is done to every value before it is put into subject and text."""
    tracks: Tracks = NOT_TRACKED


def compile_content(source: Mapping[str, Any], channel: Channel | None = None) -> Compiled:
    """Parse `{"subject": …, "text": …, "html": …, "partials": {name: {"text": …, "html": …}}}`.

    Raises TemplateFaultError, which tells where the fault is.
    """
    partials: Mapping[str, Mapping[str, str]] = source.get("partials") or {}
    html = source["html"]
    return Compiled(
        _parse(PLAIN, "subject", source["subject"], partials),
        _parse(PLAIN, "text", source["text"], partials),
        None if html is None else _parse(MARKUP, "html", html, partials),
        ESCAPES.get(channel, _unescaped) if channel is not None else _unescaped,
    )


def _parse(liquid: Liquid, part: str, source: str, partials: Mapping[str, Mapping[str, str]]) -> Template:
    kind = "html" if part == "html" else "text"
    parsed = {
        name: read(liquid, f"partial {name}, {kind}", forms[kind]) for name, forms in partials.items() if kind in forms
    }
    for partial in parsed.values():
        partial.partials = parsed
    template = read(liquid, part, source)
    template.partials = parsed
    return template


def read(liquid: Liquid, part: str, source: str) -> Template:
    """Parse one part; raises TemplateFaultError."""
    try:
        return liquid.read(source)
    except LiquidError as error:
        where = error.context()
        line = "" if where is None else f", line {where[0]}"
        raise TemplateFaultError(f"{part}{line}: {error.message}") from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise TemplateFaultError(f"{part}: it is nested too deeply, or a number in it is too large") from error


def render(
    compiled: Compiled, variables: Mapping[str, Any], *, locale: str, timezone: str, links: Links = NO_LINKS
) -> Content:
    """Fill in the variables; raises TemplateFaultError, also when it takes longer or is longer than a message may."""
    values: dict[str, Any] = {
        **variables,
        "locale": locale.replace("-", "_"),
        "lang": locale,
        "timezone": timezone,
        "unsubscribe_url": links.unsubscribe_url,
        "preferences_url": links.preferences_url,
    }
    get_ready(values["locale"], timezone)
    meter = Meter()
    texts = values if compiled.escape is _unescaped else _escaped(values, compiled.escape)
    try:
        content = Content(
            subject=one_line(compiled.subject.fill(texts, meter)),
            text=clean(compiled.text.fill(texts, meter)).strip() + "\n",
            html=None if compiled.html is None else _storable(compiled.html.fill(values, meter)),
        )
    except Exception as error:
        # Whatever a filter raises on a value is the template's fault. Its message may quote the value, which may be
        # secret.
        raise TemplateFaultError(type(error).__name__) from error
    sizes = ((content.subject, LONGEST_SUBJECT), (content.text, LONGEST_TEXT), (content.html or "", LONGEST_HTML))
    if any(len(part) > longest for part, longest in sizes):
        raise TemplateFaultError("the rendered message is too long")
    return content


def _storable(html: str) -> str:
    """Without what no database holds. Other control characters do nothing in HTML, and to look for them takes long."""
    if "\0" not in html:
        try:
            html.encode()
        except UnicodeEncodeError:
            pass
        else:
            return html
    return _CONTROL.sub("", html)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""All control characters but tab and line feed; and what is half of a character and can be sent nowhere."""


def clean(text: str) -> str:
    """Text without control characters, its lines ended by a line feed alone."""
    if text.isprintable():
        return text
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


_BREAKS = re.compile(r"[ \t-\r\x1c-\x1f\x85\u2028\u2029]+")
"""White space but what holds words together: French has one before a colon."""


def one_line(text: str) -> str:
    """A subject: no line in it could become a header of its own (RFC 5322 §2.2)."""
    return clean(_BREAKS.sub(" ", text)).strip()


def slack(text: str) -> str:
    """A value in Slack's text, where `<` begins links and mentions (docs.slack.dev, Escaping text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_DISCORD = re.compile(r"[\\*`~|\[\]<>]")


def discord(text: str) -> str:
    """A value in Discord's Markdown. A space of no width after `@` keeps it from mentioning everyone."""
    return _DISCORD.sub(r"\\\g<0>", text).replace("@", "@\u200b")


ESCAPES: Mapping[Channel, Callable[[str], str]] = {Channel.SLACK: slack, Channel.DISCORD: discord}
"""Channels whose text is neither plain nor HTML. Webhooks are JSON, which is written from the whole content."""


def _escaped(value: Any, escape: Callable[[str], str]) -> Any:
    match value:
        case str():
            return escape(value)
        case list():
            return [_escaped(item, escape) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case dict():
            return {key: _escaped(item, escape) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def secret_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """The variables that are marked `x-secret`."""
    properties: dict[str, Mapping[str, Any]] = schema.get("properties", {})
    return frozenset(name for name, description in properties.items() if description.get("x-secret") is True)


def misfits(schema: Mapping[str, Any], given: Iterable[str]) -> frozenset[str]:
    """Names that are missing, or that the template does not know."""
    required: list[str] = schema.get("required", [])
    properties: dict[str, Any] = schema.get("properties", {})
    names = frozenset(given)
    return (frozenset(required) - names) | (names - frozenset(properties))
