"""Reads the notification templates that Orion is delivered with from `templates/`.

A template is a folder: `template.toml` says what it is, `body.mjml` and `body.txt.liquid` give its form once, and
`de.toml`, `en.toml`, … give its words in each language. `_shared/` has the layouts around every e-mail, the words that
several templates use, and the meaning of every variable. `[[ word ]]` is replaced here, when the files are read; what
is left is Liquid, stored as it is and rendered for each notification. Every locale of the result stands for itself.

What is left is rendered by `templates.rules`, which supplies `locale` and `timezone` besides the declared variables.
"""

import re
import tomllib
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from liquid.exceptions import LiquidError
from pydantic import BaseModel, ConfigDict, TypeAdapter

from orion_notifications.rendering.composing import to_html
from orion_notifications.rendering.engine import PLAIN
from orion_notifications.templates.rules import SUPPLIED, TemplateFaultError

TEMPLATES = Path(__file__).parent / "templates"
_WORD = re.compile(r"\[\[ (\w+) \]\]")
_LIQUID = re.compile(r"(\{\{.*?\}\}|\{%.*?%\})", re.DOTALL)
_WORDS = TypeAdapter(dict[str, str])
_SCHEMAS = TypeAdapter(dict[str, dict[str, Any]])


class TemplateFileError(ValueError):
    """A file of a seeded template is missing, superfluous or does not fit the others; the message names it."""


@dataclass(frozen=True, slots=True)
class LocalizedContent:
    """One language of a template, as Liquid. `subject` is empty for SMS; `html` is given for e-mail only."""

    subject: str
    text: str
    html: str | None


@dataclass(frozen=True, slots=True)
class SeedTemplate:
    """One template with all its languages; `variables` is a JSON Schema (2020-12) of an object."""

    name: str
    display_name: str
    description: str
    category: str
    channel: str
    priority: str
    default_locale: str
    tags: tuple[str, ...]
    variables: dict[str, Any]
    locales: dict[str, LocalizedContent]


class _Manifest(BaseModel):
    """`template.toml`. The enums are the database's: what it does not know, it refuses when the row is inserted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    display_name: str
    description: str
    category: str
    channel: str
    priority: str
    default_locale: str
    tags: tuple[str, ...]
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of one locale. Remembers which were used, because a word that nobody uses is an error too."""

    source: str
    words: dict[str, str]
    used: set[str] = field(default_factory=set[str])

    def insert(self, form: str, *, markup: bool = False) -> str:
        """Replaces each `[[ word ]]` in `form`, also those within words. In markup, words are text, never tags."""

        def replace(match: re.Match[str]) -> str:
            word = match[1]
            if word not in self.words:
                raise TemplateFileError(f"{self.source}: there is no word {word!r}")
            self.used.add(word)
            text = self.insert(self.words[word])
            return _escape_around_liquid(text) if markup else text

        return _WORD.sub(replace, form)


@dataclass(frozen=True, slots=True)
class _Shared:
    mjml_layout: str
    text_layout: str
    variables: dict[str, dict[str, Any]]
    words: dict[str, dict[str, str]]


def load_templates() -> list[SeedTemplate]:
    """Every seeded template, by name. Raises `TemplateFileError` when the files do not agree with each other."""
    shared = _read_shared(TEMPLATES / "_shared")
    used: set[str] = set()
    folders = sorted(path for path in TEMPLATES.iterdir() if path.is_dir() and not path.name.startswith("_"))
    templates = [_read_template(folder, shared, used) for folder in folders]
    for locale, words in shared.words.items():
        _require_equal(f"_shared/{locale}.toml", "words", expected=used & _all_words(shared), found=set(words))
    return templates


def _read_shared(folder: Path) -> _Shared:
    words = {path.stem: _read_words(path) for path in folder.glob("*.toml") if path.stem != "variables"}
    return _Shared(
        mjml_layout=_read(folder / "layout.mjml"),
        text_layout=_read(folder / "layout.txt.liquid"),
        variables=_SCHEMAS.validate_python(tomllib.loads(_read(folder / "variables.toml"))),
        words=words,
    )


def _all_words(shared: _Shared) -> set[str]:
    return {word for words in shared.words.values() for word in words}


def _read_template(folder: Path, shared: _Shared, used: set[str]) -> SeedTemplate:
    manifest = _Manifest.model_validate(tomllib.loads(_read(folder / "template.toml")))
    forms = {"body.mjml", "body.txt.liquid"} if manifest.channel == "EMAIL" else {"body.txt.liquid"}
    files = {"template.toml"} | forms | {f"{locale}.toml" for locale in shared.words}
    _require_equal(folder.name, "files", expected=files, found={path.name for path in folder.iterdir()})

    locales: dict[str, LocalizedContent] = {}
    for locale in sorted(shared.words):
        words = _words_of(folder, locale, shared)
        locales[locale] = _compose(folder, words, shared, channel=manifest.channel)
        used |= words.used
        own = set(words.words) - set(shared.words[locale]) - {"locale"}
        _require_equal(words.source, "words", expected=own & words.used, found=own)
        variables = _variables_in(locales[locale], words.source)
        _require_equal(words.source, "variables", expected=set(manifest.variables), found=variables)
    return SeedTemplate(
        name=folder.name,
        variables=_schema(manifest, shared),
        locales=locales,
        **manifest.model_dump(exclude={"variables"}),
    )


def _words_of(folder: Path, locale: str, shared: _Shared) -> _Words:
    source = f"{folder.name}/{locale}.toml"
    own = _read_words(folder / f"{locale}.toml")
    if shadowed := own.keys() & (shared.words[locale].keys() | {"locale"}):
        raise TemplateFileError(f"{source}: {_listed(shadowed)} would hide a shared word")
    return _Words(source, {"locale": locale} | shared.words[locale] | own)


def _compose(folder: Path, words: _Words, shared: _Shared, *, channel: str) -> LocalizedContent:
    subject = "" if channel == "SMS" else words.insert("[[ subject ]]")
    body = _read(folder / "body.txt.liquid").strip()
    if channel != "EMAIL":
        return LocalizedContent(subject, words.insert(body), html=None)
    text = words.insert(shared.text_layout.replace("[[ body ]]", body))
    mjml = shared.mjml_layout.replace("[[ body ]]", _read(folder / "body.mjml"))
    return LocalizedContent(subject, text, html=_compile(words.insert(mjml, markup=True), words.source))


def _compile(mjml: str, source: str) -> str:
    try:
        return to_html(mjml)
    except TemplateFaultError as error:
        raise TemplateFileError(f"{source}: {str(error).replace('mjml: ', 'MJML: ')}") from error


def _variables_in(content: LocalizedContent, source: str) -> set[str]:
    parts = (content.subject, content.text, content.html or "")
    try:
        found = {name for part in parts for name in PLAIN.read(part).global_variables()}
    except LiquidError as error:  # its str() is the whole template with a caret below
        raise TemplateFileError(f"{source}: Liquid: {error.message}") from error
    return found - SUPPLIED


def _schema(manifest: _Manifest, shared: _Shared) -> dict[str, Any]:
    if unknown := set(manifest.variables) - shared.variables.keys():
        raise TemplateFileError(f"_shared/variables.toml does not describe {_listed(unknown)}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {name: shared.variables[name] for name in manifest.variables},
        "required": list(manifest.variables),
        "additionalProperties": False,
    }


def _escape_around_liquid(text: str) -> str:
    pieces = _LIQUID.split(text)
    return "".join(piece if position % 2 else escape(piece, quote=False) for position, piece in enumerate(pieces))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _read_words(path: Path) -> dict[str, str]:
    return _WORDS.validate_python(tomllib.loads(_read(path)))


def _require_equal(source: str, what: str, *, expected: set[str], found: set[str]) -> None:
    if missing := expected - found:
        raise TemplateFileError(f"{source}: missing {what}: {_listed(missing)}")
    if superfluous := found - expected:
        raise TemplateFileError(f"{source}: superfluous {what}: {_listed(superfluous)}")


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
