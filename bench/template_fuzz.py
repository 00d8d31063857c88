"""Whether anything that a writer may type gets out of rendering, or never ends.

    python bench/template_fuzz.py [--seconds 60] [--processes 2] [--seed 1]

Templates, values, MJML and schemas are made of pieces that fit and pieces that do not. Seconds of the processor are
counted, so that other work on the machine makes no difference. It ends with 1 and the case when something takes longer
than the limit, raises what it should not, lets a value be markup, or shows anything of Python.
"""

import argparse
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from liquid.builtin.content import Literal
from liquid.builtin.output import Output
from liquid.builtin.tags.case_tag import CaseTag

from orion_notifications.kinds import Channel
from orion_notifications.rendering import engine, schemas
from orion_notifications.rendering.composing import Composer, Part
from orion_notifications.seeds.template_files import load_templates
from orion_notifications.templates.rules import Compiled, TemplateFaultError, compile_content, render

LOCALES = ("de", "en", "es", "fr", "ja")
LONGEST_RENDERING = engine.CPU_SECONDS + 0.05
"""Seconds of the processor: a step that has begun is not cut off."""
LONGEST_PARSE = 2.0
EVIL = "<x-evil onload=1>\"'&{{ name }}{% raw %}"
PYTHON = re.compile(r"<(class|function|module|built-in|bound method|generator)\b|object at 0x|__\w+__|liquid\.")


@dataclass
class Found:
    """What a worker has seen."""

    cases: int = 0
    rendered: int = 0
    cpu: float = 0.0
    worst_render: float = 0.0
    worst_parse: float = 0.0
    faults: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])


WORDS = [
    "name",
    "rows",
    "many",
    "number",
    "large",
    "text",
    "i",
    "nothing",
    "forloop",
    "locale",
    "now",
    "blank",
    "empty",
    "'<x>'",
    '"a"',
    "''",
    "0",
    "-3",
    "2.5",
    "1e9",
    "nil",
    "true",
    "(1..3)",
    "(1..9e9)",
    "99999999999999999999999999",
    "rows[0].a",
    "rows.first.b",
    "many.size",
    "many[i]",
    "name.size",
    "number.__class__",
    "rows[name]",
    "forloop.index",
    "name['__class__']",
    "rows[0]['__init__']",
    "self",
    "globals",
    "context",
    "env",
    "__builtins__",
    "text[0]",
    "a.b.c",
]
FITTING = [
    *["name", "rows", "many", "number", "text", "'<x>'", '"a"', "''", "0", "-3", "2.5", "true"],
    *["rows[0].a", "many.size", "many[0]"],
]
TAGS = """
{% assign name = %s %}
{% capture text %}%s{% endcapture %}{{ text }}
{% if %s %}%s{% else %}%s{% endif %}
{% unless %s contains %s %}%s{% endunless %}
{% case name %}{% when 'a' %}%s{% when %s, 'b' %}%s{% else %}%s{% endcase %}
{% case %s %}{% when 'a', 'b' %}%s{% else %}%s{% endcase %}
{% for i in %s %}%s{% endfor %}
{% for i in (1..%s) reversed limit: 20 %}%s{% if i == 7 %}{% break %}{% endif %}{% endfor %}
{% for i in (1..9000) %}%s{% endfor %}
{% cycle %s, %s %}
{% increment x %}{% decrement name %}
{% comment %}%s{% endcomment %}
{%- # %s -%}
{% raw %}%s{% endraw %}
{% render 'p', name: %s %}
{% render 'p' for rows as i %}
""".strip().splitlines()
REFUSED_TAGS = """
{% include 'p' %}
{% extends 'p' %}
{% macro m %}%s{% endmacro %}{% call m %}
{% liquid echo %s %}
{% tablerow i in %s %}%s{% endtablerow %}
{% echo %s %}
{% ifchanged %}%s{% endifchanged %}
{% render %s %}
""".strip().splitlines()
FILTER_NAMES = sorted(engine.FILTERS)
UNKNOWN_FILTERS = ("safe", "nosuch", "script_tag", "translate", "index", "__class__")
JUNK = (
    *["{{", "}}", "{%", "%}", "|", ":", "'", "[[", "]]", "{{{{", "-%}", "..", "%n"],
    '"',
    "\x00",
    "\u202e",
    "\r\n",
    "🙂",
    "ﷺ",
)
MIXED: list[Any] = [1, "a", None, {}]
ELEMENTS = ["mj-section", "mj-column", "mj-text", "mj-raw", "mj-wrapper", "mj-button", "mj-hero", "mj-group", "div"]
KEYWORDS: tuple[tuple[str, Any], ...] = (
    *(("type", "string"), ("type", 7), ("pattern", "^(a+)+$"), ("pattern", "((x{99}){99}){99}"), ("pattern", "(?=x)")),
    *(
        ("$ref", "#"),
        ("$dynamicRef", "#x"),
        ("enum", [1, "a"]),
        ("minLength", -1),
        ("multipleOf", 0),
        ("format", "uri"),
    ),
    *(("maxLength", 10**30), ("const", None), ("items", {"type": "object"}), ("examples", ["aaaaaaaaaaaa!"])),
)


class Maker:
    """Makes what a writer might type."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.sources = [
            part or ""
            for template in load_templates()
            for content in template.locales.values()
            for part in (content.subject, content.text, content.html)
        ]

    def source(self) -> str:
        """A template: built, or a seeded one with mistakes in it."""
        chance = self.random.random()
        if chance < 0.15:
            return self._mistaken(self.random.choice(self.sources))
        made = "".join(self._piece(0) for _ in range(self.random.randint(1, 6)))
        if chance < 0.25:
            return self._mistaken(made)
        return made * self.random.choice((1, 1, 1, 1, 2, 40))

    def partial(self) -> str:
        """What is rendered within."""
        twice = "{% render 'p' %}{% render 'p' %}"
        return self.random.choice(("{{ name }}{{ i.a }}", "{% render 'p' %}", twice, self._piece(3)))

    def values(self) -> dict[str, Any]:
        """What is filled in."""
        pick: Callable[[Any], Any] = self.random.choice
        return {
            "name": pick((EVIL, "", "x" * 20_000, EVIL * 50, "<" * 5_000, "1e999999999", "2026-07-12T12:05:00Z")),
            "text": pick((EVIL, "a,b,c" * 2_000, "\x00\r\n", "%3Cx-evil%3E", "PHgtZXZpbD4=")),
            "rows": pick(([{"a": EVIL, "b": 1}] * 3, [], [[[[[1]]]]], [{"a": [EVIL]}] * 500)),
            "many": pick((list(range(1_000)), ["a", "b"], [EVIL] * 50, MIXED, list("zyx" * 500))),
            "number": pick((7, -1, 0, 1.5, 10**20, 10**30, 1e308, True)),
            "large": pick((10**9, 10**18, 99)),
            "nothing": None,
        }

    def mjml(self) -> str:
        """A mail, more or less."""
        name, depth = self.random.choice(ELEMENTS), self.random.choice((1, 1, 2, 5, 400, 2_400))
        inner = self.random.choice((self._output(), "<mj-include path='p' />", "{% content %}", self._junk(), "<br>"))
        body = f"<{name}>" * depth + inner + f"</{name}>" * depth
        whole = f"<mjml><mj-head><mj-title>{self._output()}</mj-title></mj-head><mj-body>{body}</mj-body></mjml>"
        return self._mistaken(whole) if self.random.random() < 0.3 else whole

    def schema(self) -> dict[str, Any]:
        """A schema, more or less."""
        part: Any = dict(self.random.sample(KEYWORDS, self.random.randint(0, 4)))
        for _ in range(self.random.choice((0, 1, 3, 11, 90))):
            part = {self.random.choice(("allOf", "anyOf", "not", "items", "if")): part}
            for name in ("allOf", "anyOf"):
                if name in part:
                    part[name] = [part[name]] * self.random.choice((1, 2))
        return {"type": "object", "properties": {"name": part, "many": {"type": "array"}}}

    def _piece(self, depth: int) -> str:
        chance = self.random.random()
        if chance < 0.3 or depth > 4:
            return self._output()
        if chance < 0.4:
            return self.random.choice(("words ", "<p>", "&amp;", "\n", "{{ name }}"))
        tags = REFUSED_TAGS if chance > 0.995 else TAGS
        return re.sub("%s", lambda match: self._hole(match, depth), self.random.choice(tags))

    def _hole(self, match: re.Match[str], depth: int) -> str:
        before = match.string[: match.start()]
        inside = before.rfind("{%") > before.rfind("%}")
        return self._word() if inside else self._piece(depth + 1)

    def _output(self) -> str:
        filters = "".join(self._filter() for _ in range(self.random.choice((0, 0, 1, 1, 2, 4))))
        return f"{{{{ {self._word()}{filters} }}}}"

    def _filter(self) -> str:
        name = self.random.choice(UNKNOWN_FILTERS if self.random.random() < 0.01 else FILTER_NAMES)
        values = ", ".join(self._word() for _ in range(self.random.choice((0, 0, 1, 1, 2, 3))))
        named = self.random.choice(("", "", "", ", format: 'short'", ", other: name", ", length: 'long'"))
        return f" | {name}: {values}{named}" if values else f" | {name}"

    def _word(self) -> str:
        return self.random.choice(WORDS if self.random.random() < 0.05 else FITTING)

    def _junk(self) -> str:
        return self.random.choice(JUNK)

    def _mistaken(self, text: str) -> str:
        for _ in range(self.random.randint(1, 3)):
            at = self.random.randint(0, len(text))
            mistake = self.random.choice((self._junk(), self._piece(4), ""))
            text = text[:at] + mistake + text[at + self.random.randint(0, 4) :]
        return text


class _Stock(engine.Liquid):
    """The same, by python-liquid's own nodes."""

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters()
        for tag in (Literal, Output, CaseTag):
            self.add_tag(tag)


STOCK = _Stock(markup=True)


def _fuzz_worker(task: tuple[int, float]) -> Found:
    seed, seconds = task
    maker, found = Maker(seed), Found()
    began = time.thread_time()
    while (spent := time.thread_time() - began) < seconds and not found.wrong:
        found.cases += 1
        kind = maker.random.random()
        check = _check_template if kind < 0.9 else _check_mjml if kind < 0.96 else _check_schema
        try:
            check(maker, found)
        except BaseException as error:  # what it should not raise, panics of Rust among it
            found.wrong.append(f"{check.__name__}: {type(error).__name__}: {error}")
    found.cpu = time.thread_time() - began
    del spent
    return found


def _check_template(maker: Maker, found: Found) -> None:
    source, partial = maker.source(), maker.partial()
    partials = {"p": {"text": partial, "html": partial}}
    content = {"subject": "{{ name }}", "text": source, "html": source, "partials": partials}
    began = time.thread_time()
    try:
        compiled = compile_content(content, maker.random.choice((Channel.EMAIL, Channel.SLACK, Channel.DISCORD)))
    except TemplateFaultError:
        found.faults["parse"] += 1
        return
    finally:
        parsed = time.thread_time() - began
        found.worst_parse = max(found.worst_parse, parsed)
        if parsed > LONGEST_PARSE:
            found.wrong.append(f"parsed for {parsed:.2f} s: {source[:2_000]!r}")
    _check_rendering(maker, found, compiled, source, partial)


def _check_rendering(maker: Maker, found: Found, compiled: Compiled, source: str, partial: str) -> None:
    values, locale = maker.values(), maker.random.choice(LOCALES)
    began = time.thread_time()
    try:
        content = render(compiled, values, locale=locale, timezone="Asia/Tokyo")
    except TemplateFaultError as error:
        found.faults[str(error)] += 1
        if "evil" in str(error):
            found.wrong.append(f"a fault tells a value: {error}")
        return
    finally:
        took = time.thread_time() - began
        found.worst_render = max(found.worst_render, took)
        if took > LONGEST_RENDERING and (again := _fastest(compiled, values, locale)) > LONGEST_RENDERING:
            found.wrong.append(f"rendered for {again:.2f} s: {source[:2_000]!r} with {str(values)[:500]}")
    found.rendered += 1
    if "<x-evil" in (content.html or ""):
        found.wrong.append(f"a value is markup: {source[:2_000]!r}")
    if PYTHON.search(content.text) and not PYTHON.search(source + partial + str(values)):
        found.wrong.append(f"Python shows: {source[:2_000]!r}: {content.text[:500]!r}")
    if found.rendered % 7 == 0 and "now" not in source:
        _check_against_stock(found, source, values)


def _fastest(compiled: Compiled, values: Mapping[str, Any], locale: str) -> float:
    """Of three more times: what collecting garbage took, of many cases before this one, is no fault of the template."""
    taken: list[float] = []
    for _ in range(3):
        began = time.thread_time()
        with suppress(TemplateFaultError):
            render(compiled, values, locale=locale, timezone="Asia/Tokyo")
        taken.append(time.thread_time() - began)
    return min(taken)


def _check_against_stock(found: Found, source: str, values: Mapping[str, Any]) -> None:
    """Our nodes say what python-liquid's own say."""
    known = {**values, "locale": "en", "timezone": "UTC"}

    def said(liquid: engine.Liquid) -> str:
        try:
            return liquid.read(source).fill(known, engine.Meter())
        except engine.OutOfTimeError:
            return ""
        except Exception as error:
            return type(error).__name__

    ours, theirs = said(engine.MARKUP), said(STOCK)
    if ours != theirs and "" not in (ours, theirs):
        found.wrong.append(f"{source[:2_000]!r} says {ours[:300]!r}, by stock nodes {theirs[:300]!r}")


def _check_mjml(maker: Maker, found: Found) -> None:
    part = Part(1, {"en": {"mjml": maker.mjml(), "text": "x", "html": "y"}}, "en")
    composer = Composer({"l": part}, {"p": part})
    with suppress(TemplateFaultError):
        made = composer.compose({"subject": "s", "mjml": maker.mjml()}, "en", maker.random.choice((None, "l")))
        compile_content(made, Channel.EMAIL)
        found.faults["composed"] += 1


def _check_schema(maker: Maker, found: Found) -> None:
    schema = maker.schema()
    began = time.thread_time()
    if schemas.schema_fault(schema) is None:
        found.faults["schema good"] += 1
        for error in schemas.value_errors(schema, {"name": "a" * 5_000 + EVIL, "many": [EVIL] * 50}):
            if "evil" in error.detail:
                found.wrong.append(f"an error tells a value: {error}")
    if (took := time.thread_time() - began) > 1:
        found.wrong.append(f"a schema took {took:.2f} s: {schema}")


def main() -> int:
    """Do what the words say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tasks = [(arguments.seed * 1_000 + number, arguments.seconds) for number in range(arguments.processes)]
    with ProcessPoolExecutor(arguments.processes) as pool:
        results = list(pool.map(_fuzz_worker, tasks))
    faults = sum((found.faults for found in results), Counter[str]())
    cases, rendered = (sum(getattr(found, name) for found in results) for name in ("cases", "rendered"))
    print(f"{cases:,} cases in {sum(found.cpu for found in results):.0f} s of the processor; {rendered:,} rendered")
    print(f"longest rendering {max(found.worst_render for found in results) * 1e3:.0f} ms of the processor", end="; ")
    print(f"longest parse {max(found.worst_parse for found in results) * 1e3:.0f} ms")
    print(", ".join(f"{name} {count:,}" for name, count in faults.most_common(12)))
    wrong = [each for found in results for each in found.wrong]
    print("\n".join(wrong) or "nothing got out, nothing hung")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
