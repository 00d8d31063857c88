"""From what is written to what is rendered: layout and partials put in, MJML made HTML, text read out of HTML. Pure.

Liquid in MJML is set aside while MJML is read, so that `<` and quotes in it disturb nothing, and put back afterwards.
"""

import re
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import mrml

from orion_notifications.rendering.engine import LONGEST_SOURCE
from orion_notifications.rendering.faults import TemplateFaultError
from orion_notifications.rendering.languages import choose_locale
from orion_notifications.rendering.plain_text import text_of

MOST_INCLUDED = 200
DEEPEST_PARTIALS = 5
MOST_ELEMENTS = 5_000
MJML_STACK = 64 * 1024 * 1024
"""mrml calls itself for every level, and the process ends where there is no room: here is room for more levels than
`MOST_ELEMENTS` can make."""

_CONTENT = re.compile(r"\{%-?\s*content\s*-?%\}")
_INCLUDE = re.compile(r"<mj-include\s+path=[\"']([^\"'<>]*)[\"']\s*(?:/>|>\s*</mj-include>)")
_RENDER = re.compile(r"\{%-?\s*render\s+['\"]([^'\"]*)['\"]")
_SET_ASIDE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|liquidtag\d+x", re.DOTALL)
_ELEMENT = re.compile(r"<[A-Za-z]")
_MARK = re.compile(r"liquidtag(\d+)x")

_STACK_SIZE = threading.Lock()
"""Held by whoever has changed it: it is the process's, and what another starts meanwhile would have no room."""


@dataclass(frozen=True)
class Part:
    """A layout or a partial, in the version that is in force."""

    version: int
    locales: Mapping[str, Mapping[str, Any]]
    default_locale: str

    def source(self, locale: str) -> Mapping[str, Any]:
        """Its words for readers of `locale`."""
        return self.locales[choose_locale(locale, self.locales, self.default_locale)]


@dataclass(frozen=True)
class Composer:
    """Composes the locales of one version, and remembers what it took of layouts and partials."""

    layouts: Mapping[str, Part] = field(default_factory=dict[str, Part])
    partials: Mapping[str, Part] = field(default_factory=dict[str, Part])
    taken: dict[str, int] = field(default_factory=dict[str, int])
    """Versions, by `layout NAME` and `partial NAME`."""

    def compose(self, source: Mapping[str, Any], locale: str, layout: str | None) -> dict[str, Any]:
        """What one locale is rendered from, as `rules.compile_content` reads it; raises TemplateFaultError."""
        mjml, html, text = self._laid_out(source, locale, layout)
        if mjml is not None and html is not None:
            raise TemplateFaultError("html: there is MJML too; write one of the two")
        aside = _Aside()
        if mjml is not None:
            html = _html_of(aside.take(self._included(mjml, locale)), aside)
        elif html is not None:
            html = aside.take(html)
        if text is None:
            if html is None:
                raise TemplateFaultError("text: there is none, and no HTML that it could be read out of")
            text = aside.give_back(text_of(html))
        html = None if html is None else aside.give_back(html)
        subject: str = source.get("subject") or ""
        for name, part in (("subject", subject), ("html", html or ""), ("text", text)):
            if len(part) > LONGEST_SOURCE:
                raise TemplateFaultError(f"{name}: it is longer than {LONGEST_SOURCE:,} characters")
        partials = self._rendered((("text", subject), ("text", text), ("html", html or "")), locale)
        return {"subject": subject, "text": text, "html": html} | ({"partials": partials} if partials else {})

    def _laid_out(self, source: Mapping[str, Any], locale: str, layout: str | None) -> list[str | None]:
        """MJML, HTML and text, each within the layout where that has such a part."""
        own: list[str | None] = [source.get(part) for part in ("mjml", "html", "text")]
        if layout is None:
            return own
        around = self._take("layout", self.layouts, layout).source(locale)
        return [
            inner if inner is None or (outer := around.get(part)) is None else _CONTENT.sub(lambda _: inner, outer)  # noqa: B023
            for inner, part in zip(own, ("mjml", "html", "text"), strict=True)
        ]

    def _included(self, mjml: str, locale: str) -> str:
        """MJML with its `<mj-include path="…" />` replaced by the partials of that name."""
        for _ in range(DEEPEST_PARTIALS):
            if len(found := _INCLUDE.findall(mjml)) > MOST_INCLUDED or len(mjml) > LONGEST_SOURCE:
                raise TemplateFaultError("mjml: it includes too much")
            if not found:
                return mjml
            forms = {name: self._form(name, "mjml", locale) for name in set(found)}
            mjml = _INCLUDE.sub(lambda match, forms=forms: forms[match[1]], mjml)
        raise TemplateFaultError(f"mjml: partials include each other more than {DEEPEST_PARTIALS} deep")

    def _rendered(self, parts: tuple[tuple[str, str], ...], locale: str) -> dict[str, dict[str, str]]:
        """The partials that `{% render %}` names, and those that these name, as `{name: {kind: source}}`."""
        found: dict[str, dict[str, str]] = {}
        waiting = [(kind, name, 1) for kind, source in parts for name in _RENDER.findall(source)]
        while waiting:
            kind, name, depth = waiting.pop()
            if depth > DEEPEST_PARTIALS:
                raise TemplateFaultError(f"{kind}: partials render each other more than {DEEPEST_PARTIALS} deep")
            source = self._form(name, kind, locale)
            found.setdefault(name, {})[kind] = source
            waiting += [(kind, inner, depth + 1) for inner in set(_RENDER.findall(source))]
        return found

    def _form(self, name: str, kind: str, locale: str) -> str:
        form = self._take("partial", self.partials, name).source(locale).get(kind)
        if form is None:
            raise TemplateFaultError(f"{kind}: the partial {name!r} has no {kind}")
        return form

    def _take(self, what: str, among: Mapping[str, Part], name: str) -> Part:
        if name not in among:
            raise TemplateFaultError(f"{what}: no {what} {name!r} is published for this channel")
        self.taken[f"{what} {name}"] = among[name].version
        return among[name]


class _Aside:
    """Liquid, set aside as marks that mean nothing to MJML or HTML."""

    def __init__(self) -> None:
        self._tags: list[str] = []

    def take(self, text: str) -> str:
        # A mark that the writer has typed is taken for one of ours if it stays, so it is set aside too.
        return _SET_ASIDE.sub(self._mark, text)

    def give_back(self, text: str) -> str:
        return _MARK.sub(lambda match: self._tags[int(match[1])], text)

    def lost(self, html: str) -> str | None:
        """A tag that is nowhere any more."""
        there = {int(number) for number in _MARK.findall(html)}
        return next((tag for number, tag in enumerate(self._tags) if number not in there), None)

    def _mark(self, match: re.Match[str]) -> str:
        self._tags.append(match[0])
        return f"liquidtag{len(self._tags) - 1}x"


def _html_of(mjml: str, aside: _Aside) -> str:
    if len(_ELEMENT.findall(mjml)) > MOST_ELEMENTS:
        raise TemplateFaultError(f"mjml: there are more than {MOST_ELEMENTS:,} elements")
    html = _in_wide_thread(mjml)
    if (tag := aside.lost(html)) is not None:
        raise TemplateFaultError(f"mjml: {tag[:80]} stands where MJML has no text; put it into <mj-raw> or <mj-text>")
    return html


def _in_wide_thread(mjml: str) -> str:
    """HTML, made where there is room for what is deeply nested. The default stack ends with two thousand levels."""
    made: Future[str] = Future()

    def make() -> None:
        try:
            made.set_result(to_html(mjml))
        except BaseException as error:
            made.set_exception(error)

    with _STACK_SIZE:
        before = threading.stack_size(MJML_STACK)
        try:
            thread = threading.Thread(target=make, name="mjml")
            thread.start()
        finally:
            threading.stack_size(before)
    return made.result()


def to_html(mjml: str) -> str:
    """MJML to HTML. Without fonts: each mail would fetch them from a third party, and so tell it who reads when.

    Raises TemplateFaultError.
    """
    try:
        output = mrml.to_html(mjml, render_options=mrml.RenderOptions(disable_comments=True, fonts={}))
    except (OSError, UnicodeError) as error:  # what mrml raises for markup that it cannot parse
        raise TemplateFaultError(f"mjml: {error}") from error
    except BaseException as error:  # a panic of its parser, at a `>` behind a sign such as €, is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise TemplateFaultError("mjml: it cannot be parsed; write &gt; for a > among words") from error
    if output.warnings:
        kinds = sorted({warning.kind for warning in output.warnings})
        raise TemplateFaultError(f"mjml: {', '.join(kinds)}")
    return output.content
