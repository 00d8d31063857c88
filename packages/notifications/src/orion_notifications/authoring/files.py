"""Templates as files, so that they can live beside the code that sends them.

EMAIL/order_shipped/template.json          what it is, its layout and the schema of its variables
EMAIL/order_shipped/en/subject.txt         and text.liquid, html.liquid, body.mjml: those that it has
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orion_core.faults import code_and_words
from orion_notifications.authoring.shapes import NewTemplate, NewVersion

PARTS = {"subject": "subject.txt", "text": "text.liquid", "html": "html.liquid", "mjml": "body.mjml"}
OF_VERSION = ("layout", "variables", "tracks_opens", "tracks_clicks")
ORDER = ("PARTIAL", "LAYOUT", "MESSAGE")
"""What others are made of comes first."""
SAFE = re.compile(r"[A-Za-z0-9_-]+")


class TemplateFilesError(ValueError):
    """A folder is not of that form; the message names the file."""


@dataclass(frozen=True)
class FiledTemplate:
    """One template, and what it says."""

    template: NewTemplate
    version: NewVersion


def read_folder(folder: Path) -> list[FiledTemplate]:
    """All templates in a folder, parts before what is made of them; raises TemplateFilesError."""
    found = [_read(path.parent) for path in sorted(folder.glob("*/*/template.json"))]
    return sorted(found, key=lambda one: ORDER.index(one.template.kind))


def write_template(folder: Path, template: Mapping[str, Any], version: Mapping[str, Any]) -> Path:
    """Write one template, as labels and JSON; what was in its folder before and is no more is taken away."""
    place = folder / template["channel"] / template["name"]
    facts = {name: template[name] for name in NewTemplate.model_fields if name not in ("name", "channel")}
    facts |= {name: version[name] for name in OF_VERSION}
    place.mkdir(parents=True, exist_ok=True)
    (place / "template.json").write_text(
        json.dumps(facts, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8"
    )
    written = {place / locale / name for locale, name, _ in _parts(version)}
    for locale, name, words in _parts(version):
        (place / locale).mkdir(exist_ok=True)
        (place / locale / name).write_text(words, "utf-8")
    for old in place.glob("*/*"):
        if old not in written and old.name in PARTS.values():
            old.unlink()
    return place


def _parts(version: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    locales: Mapping[str, Mapping[str, str | None]] = version["locales"]
    for locale, source in locales.items():
        if not SAFE.fullmatch(locale):
            raise TemplateFilesError(f"{locale!r} is no name of a language")
        for part, name in PARTS.items():
            if (words := source.get(part)) is not None:
                yield locale, name, words


def _read(place: Path) -> FiledTemplate:
    try:
        facts: dict[str, Any] = json.loads((place / "template.json").read_text("utf-8"))
        own = {name: facts.pop(name) for name in OF_VERSION if name in facts}
        template = NewTemplate.model_validate({**facts, "name": place.name, "channel": place.parent.name})
        locales = {path.name: _locale(path) for path in sorted(place.iterdir()) if path.is_dir()}
        return FiledTemplate(template, NewVersion.model_validate({**own, "locales": locales}))
    except ValidationError as error:
        first = error.errors()[0]
        raise TemplateFilesError(f"{place}: {'/'.join(map(str, first['loc']))}: {code_and_words(first)[1]}") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TemplateFilesError(f"{place}: {error}") from error


def _locale(path: Path) -> dict[str, str]:
    if unknown := {file.name for file in path.iterdir()} - set(PARTS.values()):
        raise ValueError(f"{path.name}/{min(unknown)} is none of {', '.join(PARTS.values())}")
    return {part: (path / name).read_text("utf-8") for part, name in PARTS.items() if (path / name).exists()}
