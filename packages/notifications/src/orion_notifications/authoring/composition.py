"""A version as it would be rendered: composed with the layouts and partials that are in force. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orion_notifications.authoring.lint import Finding, Linted, lint
from orion_notifications.rendering.composing import Composer, Part
from orion_notifications.templates.rules import TemplateFaultError, TemplateKind

Compiled = Mapping[str, dict[str, Any] | TemplateFaultError]

SAMPLE_IN_LAYOUT: Mapping[str, str] = {
    "mjml": "<mj-section><mj-column><mj-text>…</mj-text></mj-column></mj-section>",
    "html": "<p>…</p>",
    "text": "…",
}
"""What a layout is tried around."""
PLACES = (
    "<mj-section><mj-column>{}</mj-column></mj-section>",
    "{}",
    "<mj-section>{}</mj-section>",
    "<mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section>",
)
"""Where a partial may be meant to stand within the body."""


@dataclass(frozen=True)
class Composed:
    """What is rendered in each language, and in which versions parts were taken for it."""

    compiled: Compiled
    taken: Mapping[str, int]


def composed(template: Mapping[Any, Any], version: Mapping[Any, Any], parts: Composer) -> Composed:
    """Compose every language of a version of a template. What is compiled already stays as it is."""
    if version["compiled"] is not None:
        return Composed(version["compiled"], version["parts"])
    if version["published_at"] is not None and template["kind"] is TemplateKind.MESSAGE:
        return Composed(version["locales"], version["parts"])
    composer = replace(parts, taken={})
    compiled: dict[str, dict[str, Any] | TemplateFaultError] = {}
    for locale, source in version["locales"].items():
        try:
            compiled[locale] = _one(composer, template, version, locale, source)
        except TemplateFaultError as error:
            compiled[locale] = error
    return Composed(compiled, composer.taken)


def findings(template: Mapping[Any, Any], version: Mapping[Any, Any], found: Composed) -> list[Finding]:
    """What is wrong with a composed version."""
    variables = template["variables"] if version["variables"] is None else version["variables"]
    return lint(
        Linted(
            category=template["category"],
            channel=template["channel"],
            default_locale=template["default_locale"],
            variables=variables,
            compiled=found.compiled,
            is_part=template["kind"] is not TemplateKind.MESSAGE,
        )
    )


def _one(
    composer: Composer, template: Mapping[Any, Any], version: Mapping[Any, Any], locale: str, source: Mapping[str, Any]
) -> dict[str, Any]:
    own = Part(version["version"], {locale: source}, locale)
    name: str = template["name"]
    match template["kind"]:
        case TemplateKind.MESSAGE:
            return composer.compose(source, locale, version["layout"])
        case TemplateKind.LAYOUT:
            within = {kind: words for kind, words in SAMPLE_IN_LAYOUT.items() if source.get(kind) is not None}
            return replace(composer, layouts={**composer.layouts, name: own}).compose(within, locale, name)
        case _:
            return _partial(replace(composer, partials={**composer.partials, name: own}), locale, name, source)


def _partial(composer: Composer, locale: str, name: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """A partial, tried in all its forms; of MJML, in the first place where it may stand."""
    form = {kind: f"{{% render '{name}' %}}" for kind in ("html", "text") if source.get(kind) is not None}
    if source.get("mjml") is None:
        return composer.compose({"text": "…"} | form, locale, None)
    fault = TemplateFaultError(f"mjml: the partial {name!r} is empty")
    for place in PLACES:
        body = place.format(f'<mj-include path="{name}" />')
        mjml = f"<mjml><mj-body>{body}</mj-body></mjml>"
        try:
            tried = composer.compose({"text": form.get("text", "…"), "mjml": mjml}, locale, None)
        except TemplateFaultError as error:
            fault = error
        else:
            return tried
    raise fault
