"""Rendering: strict, limited, masked; and the choice of a language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_notifications.templates.rules import (
    LONGEST_TEXT,
    TemplateFaultError,
    choose_locale,
    compile_content,
    misfits,
    render,
    secret_names,
)

AVAILABLE = ("de", "en", "pt-BR", "zh-Hant")


def rendered(source: str, **variables: object) -> str:
    content = {"subject": "s", "text": source, "html": None}
    return render(compile_content(content), variables, locale="en", timezone="UTC").text.rstrip("\n")


def test_html_is_escaped_and_text_is_not() -> None:
    compiled = compile_content({"subject": "{{ a }}", "text": "{{ a }}", "html": "{{ a }}"})
    content = render(compiled, {"a": "<b>&"}, locale="en", timezone="UTC")
    assert (content.subject, content.text, content.html) == ("<b>&", "<b>&\n", "&lt;b&gt;&amp;")


@given(st.text())
def test_a_subject_is_one_line(value: str) -> None:
    compiled = compile_content({"subject": "{{ a }}", "text": "", "html": None})
    try:
        subject = render(compiled, {"a": value}, locale="en", timezone="UTC").subject
    except TemplateFaultError:
        return
    assert len(subject.splitlines()) <= 1


@pytest.mark.parametrize(
    "source",
    [
        "{{ missing }}",
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% for i in (1..9000) %}{% for j in (1..9000) %}x{% endfor %}{% endfor %}",
        "{% for i in (1..9000) %}{{ long }}{% endfor %}",
        "{% include 'secrets' %}",
        "{{ name | nosuchfilter }}",
    ],
)
def test_what_does_not_fit_is_a_fault_and_not_a_hang(source: str) -> None:
    with pytest.raises(TemplateFaultError):
        rendered(source, name="n", long="x" * 10_000)


def test_a_syntax_error_is_a_fault() -> None:
    with pytest.raises(TemplateFaultError):
        compile_content({"subject": "", "text": "{% if %}", "html": None})


def test_more_than_can_be_kept_is_a_fault() -> None:
    with pytest.raises(TemplateFaultError, match="too long"):
        rendered("{{ a }}", a="x" * (LONGEST_TEXT + 1))


def test_a_fault_does_not_tell_the_value() -> None:
    with pytest.raises(TemplateFaultError) as fault:
        rendered("{{ code | datetime }}", code="482913x")
    assert "482913x" not in str(fault.value)


@pytest.mark.parametrize("expression", ["a.__class__", "a['__class__']", "a.real", "a.upper", "a.__init__.__globals__"])
def test_python_cannot_be_reached(expression: str) -> None:
    with pytest.raises(TemplateFaultError):
        rendered(f"{{{{ {expression} }}}}", a="text")


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("DE_ch", "de"),
        ("pt-br", "pt-BR"),
        ("pt", "en"),
        ("zh-Hant-TW", "zh-Hant"),
        ("sw", "en"),
    ],
)
def test_a_language_falls_back_step_by_step(wanted: str, chosen: str) -> None:
    assert choose_locale(wanted, AVAILABLE, "en") == chosen


@given(st.text(max_size=35), st.sets(st.sampled_from(AVAILABLE), min_size=1))
def test_there_is_always_a_language(wanted: str, available: set[str]) -> None:
    assert choose_locale(wanted, available, "en") in available


def test_variables_are_compared_with_the_schema() -> None:
    schema = {"required": ["a", "b"], "properties": {"a": {"x-secret": True}, "b": {}, "c": {}}}
    assert misfits(schema, ["a", "b"]) == frozenset()
    assert misfits(schema, ["a", "x"]) == {"b", "x"}
    assert secret_names(schema) == {"a"}
