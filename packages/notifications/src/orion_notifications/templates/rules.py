"""Rendering: Liquid with every variable required and every loop counted.

What a template's writer types reaches no file, no network and no attribute of a Python object: python-liquid knows
only mappings and filters, and there is no loader.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from liquid import BoundTemplate, Environment, StrictUndefined
from liquid.exceptions import LiquidError

MASK = "••••••"
"""What stands in the record in place of a secret."""

LONGEST_SUBJECT = 998
"""RFC 5322 §2.1.1: no line of a mail is longer."""
LONGEST_TEXT = 100_000
LONGEST_HTML = 1_000_000

FILTER_SETTINGS = {"input_timezone": "UTC", "input_locale": "en_US", "unit_length": "long", "unit_format": None}
"""What the filters `datetime` and `unit` look up. They have defaults, but under StrictUndefined asking is an error."""


class TemplateFaultError(Exception):
    """A template cannot be rendered with what it was given. The message holds no value of a variable."""


@dataclass(frozen=True)
class Content:
    """What a recipient reads."""

    subject: str
    text: str
    html: str | None


@dataclass(frozen=True)
class Compiled:
    """One locale of one version, parsed."""

    subject: BoundTemplate
    text: BoundTemplate
    html: BoundTemplate | None


class _Limited(Environment):
    loop_iteration_limit = 10_000
    local_namespace_limit = 1_000_000
    output_stream_limit = 4 * LONGEST_HTML
    block_nesting_limit = 20
    context_depth_limit = 20


_plain = _Limited(extra=True, undefined=StrictUndefined, globals=FILTER_SETTINGS)
_markup = _Limited(extra=True, undefined=StrictUndefined, globals=FILTER_SETTINGS, autoescape=True)


def compile_content(source: Mapping[str, Any]) -> Compiled:
    """Parse `{"subject": …, "text": …, "html": …}`; raises TemplateFaultError."""
    try:
        html = source["html"]
        return Compiled(
            _plain.from_string(source["subject"]),
            _plain.from_string(source["text"]),
            None if html is None else _markup.from_string(html),
        )
    except LiquidError as error:
        raise TemplateFaultError(f"{type(error).__name__} in the source") from error


def render(compiled: Compiled, variables: Mapping[str, Any], *, locale: str, timezone: str) -> Content:
    """Fill in the variables; raises TemplateFaultError, also when the result is longer than can be kept."""
    context = {**variables, "locale": locale.replace("-", "_"), "timezone": timezone}
    try:
        content = Content(
            subject=" ".join(compiled.subject.render(**context).split()),
            text=compiled.text.render(**context).strip() + "\n",
            html=None if compiled.html is None else compiled.html.render(**context),
        )
    except LiquidError as error:
        # Its own message may quote the value that did not fit, and values may be secret.
        raise TemplateFaultError(type(error).__name__) from error
    sizes = ((content.subject, LONGEST_SUBJECT), (content.text, LONGEST_TEXT), (content.html or "", LONGEST_HTML))
    if any(len(part) > longest for part, longest in sizes):
        raise TemplateFaultError("the rendered message is too long")
    return content


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


def choose_locale(wanted: str, available: Iterable[str], default: str) -> str:
    """The best locale there is for `wanted`: itself, then with its last subtags taken off (RFC 4647 §3.4 Lookup)."""
    by_lower = {locale.lower(): locale for locale in available}
    subtags = wanted.lower().replace("_", "-").split("-")
    for length in range(len(subtags), 0, -1):
        if (candidate := "-".join(subtags[:length])) in by_lower:
            return by_lower[candidate]
    return by_lower.get(default.lower()) or min(by_lower.values())
