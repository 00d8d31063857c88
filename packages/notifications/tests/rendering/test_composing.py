"""From what is written to what is rendered."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orion_notifications.rendering.composing import Composer, Part
from orion_notifications.rendering.faults import TemplateFaultError
from orion_notifications.rendering.plain_text import text_of
from orion_notifications.templates.rules import compile_content, render

SECTION = "<mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section>"
PAGE = "<mjml><mj-head><mj-title>t</mj-title></mj-head><mj-body>{}</mj-body></mjml>"


def part(**locales: dict[str, str]) -> Part:
    return Part(3, locales, "en")


def composed(source: dict[str, Any], composer: Composer | None = None, **more: Any) -> dict[str, Any]:
    return (composer or Composer()).compose(source, more.pop("locale", "en"), more.pop("layout", None))


def shown(source: dict[str, Any], **values: object) -> tuple[str, str]:
    """Text and HTML."""
    content = render(compile_content(source), values, locale="en", timezone="UTC")
    return content.text, content.html or ""


def test_liquid_in_mjml_is_left_alone_and_text_is_read_out_of_the_html() -> None:
    body = SECTION.format("{% if n < 3 %}few &amp; {% endif %}{{ n | append: '<\">' }}<ul><li>a</li><li>b</li></ul>")
    button = (
        SECTION.replace("mj-text", "mj-button href='{{{{ url }}}}'", 1).replace("/mj-text", "/mj-button").format("Go")
    )
    source = composed({"subject": "s", "mjml": PAGE.format(body + button)})
    text, html = shown(source, n=2, url="https://x.example/?a=1&b=2")
    assert text == 'few & 2<">\n\n- a\n- b\n\nGo (https://x.example/?a=1&b=2)\n'
    assert 'href="https://x.example/?a=1&amp;b=2"' in html


def test_a_layout_lies_around_and_partials_within_in_the_readers_language() -> None:
    layouts = {
        "base": part(en={"mjml": PAGE.format("{% content %}<mj-include path='foot'/>"), "text": "{% content %}--"})
    }
    partials = {
        "foot": part(
            en={"mjml": SECTION.format("{% render 'sign', who: name %}")}, de={"mjml": SECTION.format("Gruß")}
        ),
        "sign": part(en={"html": "<b>{{ who }}</b>", "text": "{{ who }}"}),
    }
    composer = Composer(layouts, partials)
    english = composed({"subject": "s", "mjml": SECTION.format("Hi")}, composer, layout="base")
    assert "<b>&lt;Ada&gt;</b>" in shown(english, name="<Ada>")[1]
    assert composer.taken == {"layout base": 3, "partial foot": 3, "partial sign": 3}
    german = composed({"subject": "s", "mjml": SECTION.format("Hi")}, composer, layout="base", locale="de-AT")
    assert "Gruß" in shown(german)[1]
    written = composed({"subject": "s", "text": "Hi {% render 'sign', who: 'x' %}"}, composer, layout="base")
    assert shown(written) == ("Hi x--\n", "")


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ({"mjml": "<mjml>"}, "mjml: "),
        ({"mjml": "<mjml><mj-head><mj-title>€></mj-title></mj-head></mjml>"}, "write &gt;"),
        ({"mjml": PAGE.format("<mj-wrapper>" * 4_990 + "</mj-wrapper>" * 4_990)}, "longer than"),
        ({"mjml": PAGE.format("<mj-wrapper>" * 5_000)}, "more than 5,000 elements"),
        ({"mjml": PAGE.format("x"), "html": "<p>"}, "write one of the two"),
        ({"subject": "s"}, "no HTML that it could be read out of"),
        ({"text": "{% render 'nowhere' %}"}, "no partial 'nowhere'"),
        ({"text": "{% render 'circle' %}"}, "deep"),
        ({"mjml": PAGE.format("<mj-include path='circle'/>")}, "deep"),
        ({"mjml": PAGE.format("<mj-include path='double'/>")}, "too much|deep"),
        ({"html": "{% render 'text_only' %}"}, "has no html"),
        ({"mjml": PAGE.format("<mj-include path='../../etc/passwd'/>")}, "no partial"),
    ],
)
def test_what_cannot_be_composed_says_why(source: dict[str, Any], fault: str) -> None:
    partials = {
        "circle": part(en={"text": "{% render 'circle' %}", "mjml": "<mj-include path='circle'/>"}),
        "double": part(en={"mjml": "<mj-include path='double'/><mj-include path='double'/>"}),
        "text_only": part(en={"text": "x"}),
    }
    with pytest.raises(TemplateFaultError, match=fault):
        composed(source, Composer(partials=partials))


def test_a_page_is_read_out_as_somebody_would() -> None:
    html = (
        "<html><head><title>t</title><style>p{}</style></head><body><h1>Hi</h1><p>a  b<br>c</p><img alt='Logo' src='x'>"
        "<table><tr><td>1</td><td>2</td></tr></table><a href='#top'>up</a> <a href='mailto:a@b'>a@b</a>"
        "<!-- no --><script>no</script></body></html>"
    )
    assert text_of(html) == "Hi\n\na b\nc\n\nLogo\n\n1 2\n\nup a@b"


def test_every_mjml_at_once_has_room_for_what_is_deeply_nested() -> None:
    """The size of a stack is the process's: whoever sets it back while another is about to start leaves it no room."""
    deep = "<mjml><mj-body>" + "<mj-raw>" * 40 + "</mj-raw>" * 40 + "</mj-body></mjml>"
    before, interval = threading.stack_size(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as many:
            list(many.map(composed, [{"mjml": deep, "text": "x"}] * 200))
    finally:
        sys.setswitchinterval(interval)
    assert threading.stack_size() == before
