"""What is wrong with a version of a template, before anybody has to read it. Pure: nothing is fetched.

An ERROR would reach readers, or nobody, and keeps a version from being published. A WARNING is for the writer to judge.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from orion_notifications.kinds import Category, Channel
from orion_notifications.rendering import schemas
from orion_notifications.segments import segments
from orion_notifications.templates.rules import (
    SUPPLIED,
    Compiled,
    Content,
    Links,
    TemplateFaultError,
    compile_content,
    render,
    secret_names,
)

CLIPPED_AT = 102_000
"""Bytes of HTML beyond which Gmail hides the rest, and what is counted by an image in it."""
MANY_SEGMENTS = 3
LONG_SUBJECT = 78
"""RFC 5322 §2.1.1 asks for lines no longer; phones show half of that."""
UNSAFE_ELEMENTS = frozenset({"script", "iframe", "object", "embed", "form", "input", "button", "textarea", "base"})
NEEDS_SUBJECT = frozenset({Channel.EMAIL, Channel.PUSH})
SAMPLE_ZONE = "Europe/Berlin"
SAMPLE_LINKS = Links("https://orion.example/unsubscribe", "https://orion.example/preferences")
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?")
"""BCP 47: language, script, region."""


class Level(Enum):
    """How bad it is."""

    ERROR = auto()
    WARNING = auto()


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; `code` is for programs."""

    level: Level
    code: str
    locale: str | None
    part: str | None
    detail: str


@dataclass(frozen=True)
class Linted:
    """What is looked at: a version as it would be rendered, and what is known of its template."""

    category: Category
    channel: Channel
    default_locale: str
    variables: Mapping[str, Any]
    compiled: Mapping[str, Mapping[str, Any] | TemplateFaultError]
    """What each language is rendered from, or why it cannot be composed."""
    is_part: bool = False
    """A layout or a partial: its variables are those of the templates that it becomes a part of."""


def lint(linted: Linted) -> list[Finding]:
    """All that is wrong, errors first."""
    found: list[Finding] = []
    if linted.default_locale not in linted.compiled:
        detail = f"there is no {linted.default_locale}, which readers of all other languages get"
        found.append(Finding(Level.ERROR, "default_locale_missing", None, None, detail))
    used: dict[str, frozenset[str]] = {}
    for locale, source in linted.compiled.items():
        if not LOCALE.fullmatch(locale):
            detail = "a language is named as en, pt-BR or zh-Hant"
            found.append(Finding(Level.ERROR, "unknown_locale", locale, None, detail))
        try:
            if isinstance(source, TemplateFaultError):
                raise source
            parsed = compile_content(source, linted.channel)
        except TemplateFaultError as error:
            part, _, detail = str(error).partition(": ")
            found.append(Finding(Level.ERROR, "syntax", locale, part, detail))
            continue
        used[locale] = names_in(parsed)
        if not linted.is_part:
            found += _variables(linted, locale, parsed)
            found += _rendered(linted, locale, parsed)
    if not linted.is_part:
        found += _unused(linted, used)
    found += _unlike(used)
    return sorted(found, key=lambda finding: (finding.level.value, finding.locale or "", finding.part or ""))


def names_in(compiled: Compiled) -> frozenset[str]:
    """The variables that one locale uses, of those that are not its own."""
    parts = (compiled.subject, compiled.text, compiled.html)
    names = {name for part in parts if part is not None for name in part.names()}
    return frozenset(names) - SUPPLIED


def _variables(linted: Linted, locale: str, parsed: Compiled) -> Iterator[Finding]:
    for name in sorted(names_in(parsed) - schemas.declared(linted.variables)):
        detail = f"{name} is used and not among the variables; declare it, or send would fail"
        yield Finding(Level.ERROR, "unknown_variable", locale, None, detail)
    for name in sorted(parsed.subject.names() & secret_names(linted.variables)):
        detail = f"{name} is secret, and a subject is shown on locked screens"
        yield Finding(Level.WARNING, "secret_in_subject", locale, "subject", detail)


def _unused(linted: Linted, used: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    everywhere = frozenset[str]().union(*used.values())
    for name in sorted(schemas.declared(linted.variables) - everywhere):
        detail = f"{name} is declared and no language uses it"
        yield Finding(Level.WARNING, "unused_variable", None, None, detail)
    without = schemas.declared(linted.variables) - schemas.sample(linted.variables).keys()
    for name in sorted(without):
        detail = f"{name} has no example, so nothing can be shown or tried with it"
        yield Finding(Level.WARNING, "no_example", None, None, detail)
    for error in schemas.value_errors(linted.variables, schemas.sample(linted.variables)):
        if error.code != "missing":
            detail = f"the first example of {error.field.removeprefix('/')} does not fit: {error.detail}"
            yield Finding(Level.ERROR, "example_misfits", None, None, detail)


def _unlike(used: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    """Languages that leave out what others tell."""
    everywhere = frozenset[str]().union(*used.values())
    for locale, names in used.items():
        for name in sorted(everywhere - names):
            detail = f"other languages use {name}, this one does not"
            yield Finding(Level.WARNING, "locale_lacks_variable", locale, None, detail)


def _rendered(linted: Linted, locale: str, parsed: Compiled) -> Iterator[Finding]:
    values = schemas.sample(linted.variables)
    if (names_in(parsed) & schemas.declared(linted.variables)) - values.keys():
        return  # told already: there is no example
    try:
        content = render(parsed, values, locale=locale, timezone=SAMPLE_ZONE, links=SAMPLE_LINKS)
    except TemplateFaultError as error:
        if names_in(parsed) <= schemas.declared(linted.variables):
            detail = f"it cannot be rendered with the examples: {error}"
            yield Finding(Level.ERROR, "not_rendered", locale, None, detail)
        return
    for finding in _read(linted, content):
        yield Finding(finding.level, finding.code, locale, finding.part, finding.detail)


def _read(linted: Linted, content: Content) -> Iterator[Finding]:
    """What strikes in a message made of the examples."""
    if linted.channel in NEEDS_SUBJECT and not content.subject:
        yield Finding(Level.ERROR, "no_subject", None, "subject", "it is empty")
    if linted.channel is Channel.EMAIL and len(content.subject) > LONG_SUBJECT:
        detail = f"it has {len(content.subject)} characters; after {LONG_SUBJECT} few see the rest"
        yield Finding(Level.WARNING, "long_subject", None, "subject", detail)
    if not content.text.strip():
        yield Finding(Level.ERROR, "no_text", None, "text", "it is empty, and who reads no HTML gets nothing")
    if linted.channel is not Channel.EMAIL and content.html is not None:
        yield Finding(Level.ERROR, "html_not_sent", None, "html", f"{linted.channel.name} carries no HTML")
    if linted.channel is Channel.SMS:
        yield from _as_sms(content.text.rstrip("\n"))
    if linted.channel is Channel.EMAIL and linted.category is Category.MARKETING:
        yield from _can_be_ended(content)
    if content.html is not None:
        yield from _as_page(content.html)
    yield from _as_links(content.text)


def _as_sms(text: str) -> Iterator[Finding]:
    found = segments(text)
    if found.count > MANY_SEGMENTS:
        yield Finding(Level.WARNING, "many_segments", None, "text", f"it takes {found.count} SMS, and each is paid")
    if found.alphabet == "UCS-2" and found.count > 1:
        detail = f"it takes {found.count} SMS of 67 characters; without characters beyond GSM 03.38 it would be of 153"
        yield Finding(Level.WARNING, "unicode_sms", None, "text", detail)


def _can_be_ended(content: Content) -> Iterator[Finding]:
    """Law and large receivers ask that nobody has to look for it."""
    for part, text in (("html", content.html), ("text", content.text)):
        if text is not None and SAMPLE_LINKS.unsubscribe_url not in text:
            detail = "MARKETING must say how to end it: link to {{ unsubscribe_url }}"
            yield Finding(Level.ERROR, "no_unsubscribe", None, part, detail)


def _as_page(html: str) -> Iterator[Finding]:
    if (size := len(html.encode())) > CLIPPED_AT:
        detail = f"it has {size:,} bytes; Gmail clips at {CLIPPED_AT:,}"
        yield Finding(Level.WARNING, "clipped", None, "html", detail)
    page = _Page()
    page.feed(html)
    page.close()
    yield from page.found


_ADDRESS = re.compile(r"\b(?:https?|ftp|javascript|data|vbscript):\S+", re.IGNORECASE)


def _as_links(text: str) -> Iterator[Finding]:
    for address in _ADDRESS.findall(text):
        yield from _link(address.rstrip(".,;:!?)>]"), "text")


def _link(address: str, part: str) -> Iterator[Finding]:
    """What is wrong with an address that somebody is to follow. Nothing is asked whether it is there."""
    try:
        link = urlsplit(address.strip())
        host = link.hostname
        _ = link.port
    except ValueError:
        yield Finding(Level.ERROR, "broken_link", None, part, f"{address[:80]} is no address")
        return
    match link.scheme.lower():
        case "http" | "https" if not host or " " in address.strip():
            yield Finding(Level.ERROR, "broken_link", None, part, f"{address[:80]} names no host")
        case "http":
            yield Finding(Level.WARNING, "insecure_link", None, part, f"{address[:80]} is not https")
        case "https" | "mailto" | "tel" | "sms" | "cid":
            pass
        case "":
            yield Finding(Level.ERROR, "relative_link", None, part, f"{address[:80] or 'an empty link'} leads nowhere")
        case scheme:
            yield Finding(Level.ERROR, "unsafe_link", None, part, f"{scheme}: is not to be followed from a message")


class _Page(HTMLParser):
    """Looks through HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Finding] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in UNSAFE_ELEMENTS:
            self._add(Level.ERROR, "unsafe_element", f"<{tag}> is taken out or distrusted by receivers")
        for name in attributes:
            if name.startswith("on"):
                self._add(Level.ERROR, "unsafe_attribute", f"{name} is script, which no mail may carry")
        if tag == "a" and "href" in attributes and not attributes["href"].startswith("#"):
            self.found += _link(attributes["href"], "html")
        if tag == "img":
            self._image(attributes)

    def _image(self, attributes: Mapping[str, str]) -> None:
        if "alt" not in attributes:
            self._add(
                Level.ERROR, "image_without_alt", f"{attributes.get('src', '')[:80]} says nothing to who sees none"
            )
        source = attributes.get("src", "")
        if not source.startswith("data:image/"):
            self.found += _link(source, "html")

    def _add(self, level: Level, code: str, detail: str) -> None:
        self.found.append(Finding(level, code, None, "html", detail))
