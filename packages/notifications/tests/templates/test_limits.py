"""Whatever a template's writer types, and whatever values it meets: it ends soon, and reaches nothing."""

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orion_notifications.kinds import Channel
from orion_notifications.rendering import engine
from orion_notifications.rendering.engine import CPU_SECONDS, LONGEST_SOURCE, LONGEST_TAG, MOST_TAGS
from orion_notifications.templates.rules import TemplateFaultError, compile_content, render

LONGEST_SECONDS = 5 * CPU_SECONDS
"""For three parts, each looked at now and then, on a busy machine."""
VALUES: dict[str, Any] = {
    "name": "Ada",
    "long": "x" * 20_000,
    "marks": "<" * 20_000,
    "many": list(range(2_000)),
    "rows": [{"a": 1, "b": [1, 2]}] * 300,
    "number": 7,
    "large": 10**20,
    "big": "1e999999999",
}


def fill(source: str, channel: Channel | None = None, **more: object) -> tuple[str, str]:
    """Text and HTML."""
    compiled = compile_content({"subject": "", "text": source, "html": source}, channel)
    content = render(compiled, VALUES | more, locale="en", timezone="UTC")
    return content.text, content.html or ""


def least_seconds(source: str, **more: Any) -> tuple[float, str]:
    """
    What filling takes of a processor, and the HTML, empty where it was refused.

    The least of three where it is long: a collection of garbage in the midst is not the template's.
    """
    least, html = float("inf"), ""
    for _ in range(3):
        began = time.thread_time()
        with suppress(TemplateFaultError):
            _, html = fill(source, **more)
        least = min(least, time.thread_time() - began)
        if least < LONGEST_SECONDS:
            break
    return least, html


HOSTILE = {
    "long loop": "{% for i in (1..100000000) %}x{% endfor %}",
    "loops in loops": "{% for i in (1..100) %}{% for j in (1..101) %}{% endfor %}{% endfor %}",
    "empty loops, one after another": "{% for i in (1..10000) %}{% endfor %}" * 1_000,
    "loops that decide": "{% for i in (1..10000) %}" + "{% if false %}{% endif %}" * 1_000 + "{% endfor %}",
    "loops that reckon": "{% for i in (1..10000) %}" + "{% if 1 == 2 and 2 == 3 %}{% endif %}" * 900 + "{% endfor %}",
    "loops that assign": "{% for i in (1..10000) %}" + "{% assign a = i %}" * 1_000 + "{% endfor %}",
    "loops that write": "{% for i in (1..9000) %}{{ long }}{% endfor %}",
    "strings that double": "{% assign a = long %}" + "{% assign a = a | append: a %}" * 60,
    "captures that double": "{% assign a = long %}" + "{% capture a %}{{ a }}{{ a }}{% endcapture %}" * 60,
    "replacements in replacements": "{{ long" + ' | replace: "x", long' * 3 + " }}",
    "long separators": '{{ long | split: "" | join: long }}',
    "lists that double": "{% assign a = many %}" + "{% assign a = a | concat: a %}" * 60 + "{{ a.size }}",
    "numbers that square": "{% assign a = large %}" + "{% assign a = a | times: a %}" * 60 + "{{ a }}",
    "rounding to a billion places": "{{ 5 | round: 1000000000 }}",
    "rounding to minus a billion": "{{ 5 | round: -1000000000 }}",
    "a number with a billion digits": "{{ big | decimal }}",
    "money with a billion digits": "{{ big | currency }}",
    "joining a range": "{{ (1..1000000000) | join }}",
    "half in a range": "{% if (1..1000000000) contains 0.5 %}{% endif %}",
    "half in a range by name": "{% assign r = (1..1000000000) %}{% if r contains 0.5 %}{% endif %}",
    "sorting in a loop": "{% for i in (1..10000) %}{% assign a = many | sort %}{% endfor %}",
    "uniqueness in a loop": "{% for i in (1..10000) %}{% assign a = many | uniq %}{% endfor %}",
    "membership in a loop": "{% for i in (1..10000) %}{% if many contains 'q' %}{% endif %}{% endfor %}",
    "comments that never end": "{{ marks | strip_html }}",
    "long formats": "{{ 'now' | date: long }}",
    "wide formats": "{{ 'now' | date: '%1000000000d' }}",
    "ranges with large ends": "{% for i in (1..large) %}{% endfor %}",
    "a range literal that is printed": "{{ (1..10) }}",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_what_would_never_end_is_ended(source: str) -> None:
    seconds, _ = least_seconds(source)
    assert seconds < LONGEST_SECONDS + 1  # and what parsing it takes


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("x" * (LONGEST_SOURCE + 1), "longer than"),
        ("{{ name }}" * (MOST_TAGS + 1), "more than"),
        ("{{ name" + " | upcase" * (LONGEST_TAG // 9) + " }}", "longer than"),
        ("{% if name %}" * 30 + "{% endif %}" * 30, "nest"),
        ("{{ " + "a[" * 600 + "1" + "]" * 600 + " }}", "brackets"),
        ("{{ a" + "[b" * 600 + "]" * 600 + " }}", "brackets"),
        ("{% if %}", "line 1"),
        ("a\n{% endif %}", "line 2"),
    ],
)
def test_what_is_too_large_or_too_deep_is_refused_when_it_is_read(source: str, fault: str) -> None:
    with pytest.raises(TemplateFaultError, match=fault):
        fill(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% macro m %}{% endmacro %}",
        "{% render 'x' %}",
        "{% render x %}",
        "{% if name %}{% render now %}{% endif %}",
        "{% render '../../etc/passwd' %}",
        "{{ name | safe }}",
        "{{ name.__class__.__mro__ }}",
        "{{ name['__class__'] }}",
        "{{ many.append }}",
        "{{ rows[0].keys }}",
        "{{ forloop.__init__ }}",
        "{{ self }}",
        "{% for i in many %}{{ forloop['__class__'] }}{% endfor %}",
        "{% for i in many %}{{ forloop.it }}{% endfor %}",
    ],
)
def test_nothing_but_values_can_be_reached(source: str) -> None:
    with pytest.raises(TemplateFaultError):
        fill(source)


WORDS = st.sampled_from(
    ["name", "long", "many", "rows", "number", "large", "i", "'<x>'", '"a"', "0", "-3", "2.5", "(1..3)", "nil", "now"]
)
FILTERS = st.sampled_from(sorted(engine.FILTERS))


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """A value with filters, that may or may not fit it."""
    made = draw(WORDS)
    for _ in range(draw(st.integers(0, 3))):
        values = draw(st.lists(WORDS, max_size=2))
        made += f" | {draw(FILTERS)}" + (f": {', '.join(values)}" if values else "")
    return made


SOURCES = st.recursive(
    expressions().map(lambda e: f"{{{{ {e} }}}}") | st.sampled_from(["<p>", "x", "{% assign name = i %}", "{%", "}}"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.tuples(WORDS, inner).map(lambda t: f"{{% for i in {t[0]} %}}{t[1]}{{% endfor %}}"),
        st.tuples(WORDS, WORDS, inner).map(lambda t: f"{{% if {t[0]} == {t[1]} %}}{t[2]}{{% endif %}}"),
        inner.map(lambda i: f"{{% capture name %}}{i}{{% endcapture %}}{{{{ name }}}}"),
    ),
    max_leaves=12,
)
EVIL = "<x-evil onload=1>\"'&"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SOURCES)
def test_any_template_ends_and_lets_no_value_be_markup(source: str) -> None:
    seconds, html = least_seconds(source, name=EVIL, rows=[{"a": EVIL}], many=[EVIL])
    assert seconds < LONGEST_SECONDS
    assert "<x-evil" not in html


@pytest.mark.parametrize(
    ("channel", "value", "written"),
    [
        (Channel.SLACK, "<!channel> & <http://evil|bank>", "&lt;!channel&gt; &amp; &lt;http://evil|bank&gt;"),
        (Channel.DISCORD, "@everyone [bank](http://evil) *", "@\u200beveryone \\[bank\\](http://evil) \\*"),
        (Channel.SMS, "a\r\nb\x07\x00\x1b[31m", "a\nb[31m"),
        (Channel.EMAIL, "a\tb", "a\tb"),
    ],
)
def test_values_are_escaped_as_their_channel_asks(channel: Channel, value: str, written: str) -> None:
    assert fill("{{ name }}", channel, name=value)[0] == written + "\n"


@given(st.text())
def test_no_header_can_be_put_into_a_subject(value: str) -> None:
    compiled = compile_content({"subject": "{{ a }}\r\nBcc: x@y", "text": "", "html": None})
    try:
        subject = render(compiled, {"a": value}, locale="en", timezone="UTC").subject
    except TemplateFaultError:
        return
    assert len(subject.splitlines()) <= 1
    assert not any(ord(character) < 32 or 126 < ord(character) < 160 for character in subject)
