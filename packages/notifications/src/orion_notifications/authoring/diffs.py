"""What differs between two versions of a template. Pure."""

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any, NamedTuple

import orjson

PARTS = ("subject", "text", "html", "mjml")
MOST_LINES = 2_000
"""Compared line by line; what is longer is told to differ, since comparing takes the square of it."""


class Difference(NamedTuple):
    """One part that differs; `locale` is None for what is not of one language."""

    locale: str | None
    part: str
    diff: str
    """Unified, as `diff -u` writes it."""


def differences(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> list[Difference]:
    """All that differs, language by language."""
    names = f"version {old['version']}", f"version {new['version']}"
    return [
        Difference(locale, part, "\n".join(_lines(before, after, names)))
        for locale, part, before, after in _pairs(old, new)
        if before != after
    ]


def _pairs(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[tuple[str | None, str, str, str]]:
    yield None, "layout", old["layout"] or "", new["layout"] or ""
    yield None, "variables", _json(old["variables"]), _json(new["variables"])
    for locale in sorted(old["locales"].keys() | new["locales"].keys()):
        for part in PARTS:
            yield locale, part, _written(old, locale, part), _written(new, locale, part)


def _written(version: Mapping[Any, Any], locale: str, part: str) -> str:
    source: Mapping[str, str | None] = version["locales"].get(locale, {})
    return source.get(part) or ""


def _json(value: Any) -> str:
    return "" if value is None else orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()


def _lines(before: str, after: str, names: tuple[str, str]) -> Iterator[str]:
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MOST_LINES:
        yield f"--- {names[0]}\n+++ {names[1]}\n@@ {len(old)} and {len(new)} lines differ @@"
        return
    yield from unified_diff(old, new, *names, lineterm="")
