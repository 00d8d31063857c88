"""Numbers, money, moments and plurals as readers of each language write them; and nodes as python-liquid's own."""

import pytest
from liquid.builtin.content import Literal
from liquid.builtin.output import Output
from liquid.builtin.tags.case_tag import CaseTag

from orion_notifications.rendering.engine import MARKUP, Liquid, Meter
from orion_notifications.rendering.schemas import sample
from orion_notifications.seeds.template_files import load_templates
from orion_notifications.templates.rules import TemplateFaultError, compile_content, render


def said(source: str, locale: str = "en", timezone: str = "UTC", **values: object) -> str:
    compiled = compile_content({"subject": "", "text": source, "html": None})
    return render(compiled, values, locale=locale, timezone=timezone).text.removesuffix("\n").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("source", "locale", "written"),
    [
        ("{{ 1234567.891 | decimal }}", "de", "1.234.567,891"),
        ("{{ 1234567.891 | decimal }}", "en-IN", "12,34,567.891"),
        ("{{ '19.9' | currency: 'EUR' }}", "de", "19,90\u00a0€"),
        ("{{ 1500 | currency: 'JPY' }}", "ja", "￥1,500"),
        ("{{ 5 | unit: 'day' }}", "fr", "5\u00a0jours"),
        ("{{ 1 | plural: one: '# day', other: '# days' }}", "en", "1 day"),
        ("{{ 1200 | plural: one: '# day', other: '# days' }}", "en", "1,200 days"),
        ("{{ 0 | plural: one: '# jour', other: '# jours' }}", "fr", "0 jour"),
        ("{{ 3 | plural: one: '# день', few: '# дня', many: '# дней', other: '# дня' }}", "ru", "3 дня"),
        ("{{ 11 | plural: one: '# день', few: '# дня', many: '# дней', other: '# дня' }}", "ru", "11 дней"),
        ("{{ '2026-03-29T01:30:00Z' | datetime: format: 'HH:mm zzzz' }}", "de", "03:30 Mitteleuropäische Sommerzeit"),
        ("{{ '2026-03-29T00:30:00' | datetime: format: 'HH:mm' }}", "de", "01:30"),
        ("{{ '2026-03-29' | datetime: format: 'd. MMMM' }}", "de", "29. März"),
        ("{{ 0 | date: '%Y-%m-%d %H:%M' }}", "en", "1970-01-01 01:00"),
        ("{{ '2026-03-29' | datetime: format: 'MMMM' }}", "xx-YY", "March"),
        ("{{ '2026-03-29' | datetime: format: 'MMMM' }}", "de-XX", "März"),
    ],
)
def test_each_language_writes_it_its_own_way(source: str, locale: str, written: str) -> None:
    assert said(source, locale, "Europe/Berlin") == written


@pytest.mark.parametrize(
    "source", ["{{ 'soon' | datetime }}", "{{ nil | date }}", "{{ 'a' | decimal }}", "{{ 1 | unit: 'nosuch' }}"]
)
def test_what_is_none_is_a_fault(source: str) -> None:
    with pytest.raises(TemplateFaultError):
        said(source)


@pytest.mark.parametrize(
    ("filters", "written"), [("join: ','", "1,,"), ("upcase", "[1, '', '']"), ("json", '[1, "", ""]'), ("size", "3")]
)
def test_what_items_do_not_have_is_empty_and_shows_nothing_of_python(filters: str, written: str) -> None:
    rows = [{"a": 1}, {"b": 2}, {"a": None}]
    assert said("{{ rows | map: 'a' | " + filters + " }}", rows=rows) == written


def test_a_zone_that_is_not_known_is_utc() -> None:
    assert said("{{ '2026-03-29T00:30:00Z' | datetime: format: 'HH:mm' }}", timezone="Mars/Base") == "00:30"


def test_one_moment_is_written_by_each_zone_and_an_hour_that_comes_twice_twice() -> None:
    source = "{{ at | datetime: format: 'HH:mm ZZZZ' }}"
    at = "2026-10-25T00:30:00Z"
    assert said(source, timezone="UTC", at=at).startswith("00:30")
    assert said(source, timezone="Europe/Berlin", at=at) == "02:30 GMT+02:00"
    assert said(source, timezone="Europe/Berlin", at="2026-10-25T01:30:00Z") == "02:30 GMT+01:00"


class Stock(Liquid):
    """The same, with python-liquid's own nodes."""

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters()
        for tag in (Literal, Output, CaseTag):
            self.add_tag(tag)


def test_our_nodes_say_what_python_liquids_own_say() -> None:
    stock = Stock(markup=True)
    sources = [
        "{% case a %}{% when 'x', 'y' %}1{% when 'z' %}2{% else %}3{% endcase %}",
        "{% case a %}{% when 'x' %}1{% else %}2{% when 'y' %}3{% endcase %}",
        "{% case n %}{% when 'x' %}1{% when 1 %}2{% endcase %}",
        "{% case a %}{% when 'x' %}1{% when 'x' %}2{% endcase %}{{ a }}{{ n }}{{ l }}{{ nil }}{{ m.k }}",
        "{% assign a = '<b>' %}{{ a }}{% for a in l %}{{ a }}{% endfor %}{{ a }}{% increment a %}{{ a }}",
    ]
    values = {"n": 1, "l": ["<", 2], "m": {"k": "&"}, "locale": "de", "timezone": "UTC"}
    for source in sources:
        for value in ("x", "y", "z", "<q>", 1, None, ["x"]):
            known = values | {"a": value}
            assert MARKUP.read(source).fill(known, Meter()) == stock.read(source).fill(known, Meter()), (source, value)
    for template in load_templates():
        known = values | sample(template.variables) | {"lang": "de"}
        for content in template.locales.values():
            source = content.html or content.text
            assert MARKUP.read(source).fill(known, Meter()) == stock.read(source).fill(known, Meter())


@pytest.mark.parametrize("word", ["empty", "blank"])
@pytest.mark.parametrize("filters", ["uniq: '' | rstrip", "reverse | json"])
def test_what_is_there_to_compare_with_shows_nothing_of_python(word: str, filters: str) -> None:
    shown = said("{% assign kept = " + word + " %}{{ kept | " + filters + " }}")
    assert "object at" not in shown
