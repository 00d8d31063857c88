"""The seeded templates, rendered as the worker renders them: strictly, with sample data, in all five languages."""

import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from shutil import copytree
from typing import Any

import jsonschema_rs
import pytest

from orion_notifications.seeds import template_files
from orion_notifications.seeds.template_files import SeedTemplate, load_templates
from orion_notifications.templates import rules

TEMPLATES = {template.name: template for template in load_templates()}
LOCALES = ("de", "en", "es", "fr", "ja")
EVERY = [(template, locale) for template in TEMPLATES.values() for locale in LOCALES]
EMAILS = [(template, locale) for template, locale in EVERY if template.channel == "EMAIL"]
SEED_DOCUMENT = {
    "welcome": ("Welcome Email", "ACCOUNT", "EMAIL"),
    "password_reset": ("Password Reset", "SECURITY", "EMAIL"),
    "email_verification": ("Email Verification", "SECURITY", "EMAIL"),
    "two_factor_sms": ("Two-Factor SMS", "SECURITY", "SMS"),
    "new_message_push": ("New Message Push", "SOCIAL", "PUSH"),
    "system_maintenance": ("System Maintenance", "SYSTEM", "EMAIL"),
    "welcome_in_app": ("Welcome Message", "ACCOUNT", "IN_APP"),
}
OUR_OWN = {
    "email_change": ("Email Change", "SECURITY", "EMAIL"),
    "invitation": ("Invitation", "SECURITY", "EMAIL"),
    "organization_invitation": ("Invitation to an Organization", "SOCIAL", "EMAIL"),
    "organization_invitation_expired": ("Invitation to an Organization Expired", "ACCOUNT", "EMAIL"),
    "phone_verification": ("Phone Verification SMS", "SECURITY", "SMS"),
    "recovery": ("Account Recovery", "SECURITY", "EMAIL"),
    "recovery_contact": ("Recovery Address", "SECURITY", "EMAIL"),
    "recovery_requested_in_app": ("Recovery Requested", "SECURITY", "IN_APP"),
    "role_changed_in_app": ("Role Changed", "ACCOUNT", "IN_APP"),
    "security_notice": ("Security Notice", "SECURITY", "EMAIL"),
    "sign_in_link": ("Sign-In Link", "SECURITY", "EMAIL"),
    "two_factor_email": ("Two-Factor Email", "SECURITY", "EMAIL"),
}
# 3GPP TS 23.038 §6.2.1, the basic table (its extension table costs two septets a character and is not used).
GSM_7_BIT = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
HOSTILE = '<script>alert(1)</script>\r\nBcc: a@b "x" {{ code }} {% if %} [[ closing ]] &amp;'


def _case(value: SeedTemplate | str) -> str:
    return value if isinstance(value, str) else value.name


class Page(HTMLParser):
    """What a reader of the HTML meets: links, text, elements, and unbalanced tags if there are any."""

    VOID = frozenset({"meta", "br", "img", "hr", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag == "a":
            self.links.add(attributes["href"] or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def sample(template: SeedTemplate, **other: object) -> dict[str, Any]:
    properties: dict[str, dict[str, Any]] = template.variables["properties"]
    return {name: schema["examples"][0] for name, schema in properties.items()} | other


def render(template: SeedTemplate, locale: str, values: dict[str, Any]) -> tuple[str, str, str]:
    compiled = rules.compile_content(asdict(template.locales[locale]))
    content = rules.render(compiled, values, locale=locale, timezone="Europe/Berlin")
    return content.subject, content.text.removesuffix("\n"), content.html or ""


def test_the_templates_of_the_seed_document_and_our_own_exist_in_five_languages() -> None:
    found = {name: (each.display_name, each.category, each.channel) for name, each in TEMPLATES.items()}
    assert found == SEED_DOCUMENT | OUR_OWN
    for template in TEMPLATES.values():
        assert tuple(template.locales) == LOCALES
        assert template.default_locale in template.locales
        for content in template.locales.values():
            assert (content.html is not None) == (template.channel == "EMAIL")


def test_examples_satisfy_their_schema_and_nothing_else_does() -> None:
    for template in TEMPLATES.values():
        validator = jsonschema_rs.Draft202012Validator(template.variables, validate_formats=True)
        for name, schema in template.variables["properties"].items():
            assert schema["description"]
            for example in schema["examples"]:
                assert validator.is_valid(sample(template, **{name: example})), (template.name, name, example)
        assert not validator.is_valid(sample(template, surprise=1))
        assert not validator.is_valid({})


def test_addresses_that_run_scripts_are_refused_and_what_opens_an_account_is_marked_secret() -> None:
    secrets: set[str] = set()
    for template in TEMPLATES.values():
        validator = jsonschema_rs.Draft202012Validator(template.variables)
        properties = template.variables["properties"]
        secrets |= {name for name, schema in properties.items() if schema.get("x-secret")}
        for name in properties:
            if name.endswith("_url"):
                assert not validator.is_valid(sample(template, **{name: "javascript:alert(1)"}))
    assert secrets == {"action_url", "code", "disown_url", "reset_url", "verification_url"}


@pytest.mark.parametrize(("template", "locale"), EVERY, ids=_case)
def test_every_variable_reaches_the_reader(template: SeedTemplate, locale: str) -> None:
    subject, text, html = render(template, locale, sample(template))
    assert (subject == "") == (template.channel == "SMS")
    assert "\n" not in subject
    assert text.strip()
    for part in (subject, text, html):
        assert not re.search(r"\{\{|\{%|\[\[|\]\]", part)
    assert "\n\n\n" not in text


@pytest.mark.parametrize(("template", "locale"), EMAILS, ids=_case)
def test_html_and_text_say_the_same(template: SeedTemplate, locale: str) -> None:
    values = sample(template)
    _, text, html = render(template, locale, values)
    page = Page(html)
    assert page.links == set(re.findall(r"https?://\S+", text))
    assert page.links == {value for name, value in values.items() if name.endswith("_url")}
    words = " ".join(page.text.split())
    for line in text.removesuffix("\n").splitlines():
        said = line.removeprefix("- ").strip()
        assert said in {"", "--"} or " ".join(said.split()) in words
    if "code" in values:
        assert values["code"] in words
        assert values["code"] in text


@pytest.mark.parametrize(("template", "locale"), EMAILS, ids=_case)
def test_html_is_small_accessible_and_loads_nothing(template: SeedTemplate, locale: str) -> None:
    _, _, html = render(template, locale, sample(template))
    assert len(html.encode()) < 30_000  # Gmail clips a message at 102 kB
    page = Page(html)
    assert ("html", locale) in {(tag, attributes.get("lang")) for tag, attributes in page.elements}
    assert {attributes.get("role") for tag, attributes in page.elements if tag == "table"} == {"presentation"}
    tags = [tag for tag, _ in page.elements]
    assert tags.count("h1") == 1
    assert not {"img", "link", "script", "iframe", "form"} & set(tags)
    assert not re.search(r"url\(|@import|src=", html)
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize(("template", "locale"), EVERY, ids=_case)
def test_hostile_values_stay_text(template: SeedTemplate, locale: str) -> None:
    written_by_people = {"name", "sender_name", "message_preview"} & sample(template).keys()
    plain, hostile = sample(template), sample(template, **dict.fromkeys(written_by_people, HOSTILE))
    subject, text, html = render(template, locale, hostile)
    assert "\n" not in subject
    assert "\r" not in subject
    if template.channel == "EMAIL":
        expected, page = Page(render(template, locale, plain)[2]), Page(html)
        assert page.elements == expected.elements
        if "name" in written_by_people:
            assert " ".join(HOSTILE.split()) in page.text
    if "name" in written_by_people:
        assert "\nBcc" not in text


@pytest.mark.parametrize(("template", "locale"), EVERY, ids=_case)
def test_values_that_may_be_empty_leave_no_gap(template: SeedTemplate, locale: str) -> None:
    values = sample(template)
    values |= {name: "" for name, schema in template.variables["properties"].items() if "" in schema["examples"]}
    subject, text, html = render(template, locale, values)
    assert "\n\n\n" not in text
    assert Page(html).links == {value for name, value in values.items() if name.endswith("_url") and value}
    for part in (subject, text, Page(html).text):
        assert not re.search(r"\S {1,3}[,.:!?](\s|$)|\S  +\S", part.replace(" ?", "?") if locale == "fr" else part)


@pytest.mark.parametrize("locale", LOCALES)
def test_a_stranger_cannot_have_his_words_mailed_to_an_unproved_address(locale: str) -> None:
    template = TEMPLATES["email_verification"]
    assert "name" not in template.variables["properties"]
    _, text, _ = render(template, locale, sample(template))
    assert "203.0.113.7" in text


@pytest.mark.parametrize("name", ["two_factor_sms", "phone_verification"])
@pytest.mark.parametrize("locale", LOCALES)
def test_the_code_by_sms_fits_one_segment_and_is_bound_to_the_domain(locale: str, name: str) -> None:
    template = TEMPLATES[name]
    _, text, _ = render(template, locale, sample(template, domain="login.orion.example"))
    if locale == "ja":
        assert len(text.encode("utf-16-be")) // 2 <= 70
    else:
        assert set(text) <= GSM_7_BIT
        assert len(text) <= 160
    # https://wicg.github.io/sms-one-time-codes/#parsing: the last line, from its first character, without a line after.
    assert text.split("\n")[-2:] == ["", "@login.orion.example #482913"]


@pytest.mark.parametrize(
    ("locale", "minutes", "expected"),
    [
        ("en", 1, "1 minute "),
        ("en", 30, "30 minutes "),
        ("en", 1440, "24 hours "),
        ("de", 1440, "24 Stunden "),
        ("es", 30, "30 minutos "),
        ("fr", 150, "2 heures "),
        ("ja", 30, "30分です"),
        ("ja", 1440, "24時間です"),
    ],
)
def test_the_time_left_is_said_as_people_say_it(locale: str, minutes: int, expected: str) -> None:
    template = TEMPLATES["password_reset"]
    _, text, _ = render(template, locale, sample(template, expires_minutes=minutes))
    assert expected in text.replace("\u00a0", " ")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", ["email_change", "invitation", "recovery", "sign_in_link", "password_reset"])
def test_a_message_with_a_link_or_a_code_alone_speaks_of_no_other(name: str, locale: str) -> None:
    template = TEMPLATES[name]
    link = "reset_url" if name == "password_reset" else "action_url"
    both = render(template, locale, sample(template))
    without_code = render(template, locale, sample(template, code=""))
    without_link = render(template, locale, sample(template, **{link: ""}))
    for part in (1, 2):
        assert "482913" not in without_code[part] and len(without_code[part]) < len(both[part])
        assert "/auth/v1/" not in without_link[part] and "482913" in without_link[part]


@pytest.mark.parametrize("locale", LOCALES)
def test_a_notice_says_what_happened_in_words_of_its_own_and_something_for_what_it_does_not_know(locale: str) -> None:
    template = TEMPLATES["security_notice"]
    unknown, reused, blocked, changed = (
        render(template, locale, sample(template, notice=notice))
        for notice in ("something.unheard_of", "token.reused", "sign_in.blocked", "password.changed")
    )
    assert len({unknown[0], reused[0], blocked[0], changed[0]}) == 4
    assert len({unknown[1], reused[1], blocked[1], changed[1]}) == 4
    assert "/disavowals/" in unknown[1]


@pytest.mark.parametrize("locale", LOCALES)
def test_maintenance_says_its_time_in_the_zone_of_the_reader_and_what_will_be_noticed(locale: str) -> None:
    template = TEMPLATES["system_maintenance"]
    texts = {
        impact: render(template, locale, sample(template, impact=impact))[1]
        for impact in ("unavailable", "read_only", "degraded")
    }
    assert len(set(texts.values())) == 3
    for text in texts.values():  # 22:00 and 00:30 UTC are 00:00 and 02:30 of the 19th in Berlin
        assert text.count("19") >= 2
        assert "00:00" in text
        assert "02:30" in text


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        (
            "welcome/de.toml",
            "action =",
            "acton =",
            "welcome/de.toml: there is no word 'action'",
        ),
        ("welcome/de.toml", "", 'spare = "x"\n', "welcome/de.toml: superfluous words: spare"),
        ("welcome/de.toml", "", 'closing = "x"\n', "welcome/de.toml: closing would hide a shared word"),
        ("_shared/ja.toml", "", 'spare = "x"\n', "_shared/ja.toml: superfluous words: spare"),
        ("welcome/body.mjml", "", "{{ nam }}", "welcome/de.toml: superfluous variables: nam"),
        ("welcome/body.mjml", "", "{{ name | }", "welcome/de.toml: Liquid: "),
        ("welcome/body.mjml", "", "<mj-text>", "welcome/de.toml: MJML: "),
        ("welcome/template.toml", '"app_url"', '"ap_url"', "missing variables: ap_url"),
        ("welcome/it.toml", "", "", "welcome: superfluous files: it.toml"),
        ("_shared/it.toml", "", "", "missing files: it.toml"),
        ("welcome/template.toml", "", 'colour = "red"\n', "colour"),
    ],
)
def test_files_that_do_not_fit_are_named(
    file: str, old: str, new: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copytree(template_files.TEMPLATES, tmp_path / "templates")
    path = tmp_path / "templates" / file
    text = path.read_text("utf-8") if path.exists() else ""
    path.write_text(text.replace(old, new) if old else text + new, "utf-8")
    monkeypatch.setattr(template_files, "TEMPLATES", tmp_path / "templates")
    with pytest.raises(ValueError, match=re.escape(complaint)):
        load_templates()
