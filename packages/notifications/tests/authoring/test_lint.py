"""What is told of a template before anybody reads it."""

from typing import Any

import pytest

from orion_notifications.authoring.diffs import differences
from orion_notifications.authoring.lint import Level, Linted, lint
from orion_notifications.kinds import Category, Channel
from orion_notifications.seeds.template_files import load_templates

SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "examples": ["Ada"]}}, "required": ["name"]}
GOOD = {"subject": "Hello {{ name }}", "text": "Hello {{ name }}", "html": None}


def codes(
    *locales: dict[str, Any],
    channel: Channel = Channel.EMAIL,
    category: Category = Category.TRANSACTIONAL,
    schema: dict[str, Any] = SCHEMA,
) -> set[tuple[str, str]]:
    """Level and code of what is found."""
    compiled: dict[str, dict[str, Any]] = {}
    compiled.update(zip(("en", "de", "fr"), locales, strict=False))
    found = lint(Linted(category, channel, "en", schema, compiled))
    return {(finding.level.name, finding.code) for finding in found}


def test_nothing_is_wrong_with_a_good_one() -> None:
    assert codes(GOOD) == set()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"html": "<a href='http://x.example/'>{{ name }}</a>"}, ("WARNING", "insecure_link")),
        ({"html": "<a href='{{ name }}'>x</a>"}, ("ERROR", "relative_link")),
        ({"html": "<a href='ftp://x.example'>x</a>"}, ("ERROR", "unsafe_link")),
        ({"html": "<a href='https://x.example:port/'>x</a>"}, ("ERROR", "broken_link")),
        ({"html": "<p>" + "x" * 102_001}, ("WARNING", "clipped")),
        ({"html": "<img src='https://x.example/a.png'>"}, ("ERROR", "image_without_alt")),
        ({"html": "<form>"}, ("ERROR", "unsafe_element")),
        ({"text": "see http://x.example {{ name }}"}, ("WARNING", "insecure_link")),
        ({"text": ""}, ("ERROR", "no_text")),
        ({"subject": ""}, ("ERROR", "no_subject")),
        ({"subject": "x" * 100}, ("WARNING", "long_subject")),
        ({"text": "{{ name | divided_by: 0 }}"}, ("ERROR", "not_rendered")),
        ({"text": "{{ nam }}"}, ("ERROR", "unknown_variable")),
        ({"text": "{{ name"}, ("ERROR", "syntax")),
    ],
)
def test_each_fault_is_told(change: dict[str, Any], found: tuple[str, str]) -> None:
    assert found in codes(GOOD | change)


def test_languages_are_compared() -> None:
    lacking = {"subject": "Hallo", "text": "Hallo", "html": None}
    assert codes(GOOD, lacking) == {("WARNING", "locale_lacks_variable")}
    assert ("WARNING", "unused_variable") in codes(lacking)


def test_what_has_no_example_cannot_be_tried() -> None:
    assert codes(GOOD, schema={"type": "object", "properties": {"name": {}}}) == {("WARNING", "no_example")}


def test_a_secret_does_not_belong_into_a_subject() -> None:
    schema = {"type": "object", "properties": {"name": {"examples": ["x"], "x-secret": True}}}
    assert codes(GOOD, schema=schema) == {("WARNING", "secret_in_subject")}


def test_sms_are_counted_and_carry_no_html() -> None:
    long = GOOD | {"subject": "", "text": "{{ name }} " + "ж" * 300}
    assert codes(long, channel=Channel.SMS) == {("WARNING", "many_segments"), ("WARNING", "unicode_sms")}
    assert ("ERROR", "html_not_sent") in codes(GOOD | {"html": "<p>{{ name }}"}, channel=Channel.SMS)


def test_marketing_can_be_ended_in_both_parts() -> None:
    ending = GOOD | {"html": "<a href='{{ unsubscribe_url }}'>end</a>{{ name }}"}
    assert codes(ending, category=Category.MARKETING) == {("ERROR", "no_unsubscribe")}
    ending["text"] = "{{ name }} {{ unsubscribe_url }}"
    assert codes(ending, category=Category.MARKETING) == set()


def test_nothing_is_wrong_with_the_seeded_templates() -> None:
    for template in load_templates():
        compiled = {
            locale: {"subject": content.subject, "text": content.text, "html": content.html}
            for locale, content in template.locales.items()
        }
        kind, channel = Category[template.category], Channel[template.channel]
        assert lint(Linted(kind, channel, template.default_locale, template.variables, compiled)) == []


def test_errors_come_first() -> None:
    found = lint(Linted(Category.SYSTEM, Channel.EMAIL, "de", SCHEMA, {"en": GOOD | {"text": "http://x.example"}}))
    assert [finding.level for finding in found] == sorted((one.level for one in found), key=lambda level: level.value)
    assert found[0].level is Level.ERROR


def test_long_sources_are_not_compared_line_by_line() -> None:
    def version(number: int, text: str) -> dict[str, Any]:
        return {"version": number, "layout": None, "variables": None, "locales": {"en": {"text": text}}}

    (found,) = differences(version(1, "a\n" * 100_000), version(2, "b\na\n" * 50_000))
    assert found.diff.endswith("@@ 100000 and 100000 lines differ @@")
