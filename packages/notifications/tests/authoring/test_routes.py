"""Templates over HTTP: written, tried, published, gone back to; and refused when they would reach readers broken."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.errors import Problem
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_notifications.app import build
from orion_notifications.kinds import Channel
from orion_notifications.templates.actions import Library, published
from orion_notifications.templates.rules import render

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, MakeSettings, Query, Working

    from orion_core.database import Database
    from orion_core.local.mailbox import Mailbox

ADA = uuid7()
PATH = "/notifications/v1/templates"
NEW = {"name": "shipped", "display_name": "Shipped", "category": "TRANSACTIONAL", "channel": "EMAIL"}
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 50, "examples": ["Ada"]},
        "url": {"type": "string", "pattern": "^https://", "examples": ["https://shop.example/o/1"]},
    },
    "required": ["name", "url"],
    "additionalProperties": False,
}
ENGLISH = {
    "subject": "Hello {{ name }}",
    "mjml": "<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ name }}</mj-text>"
    '<mj-button href="{{ url }}">See</mj-button></mj-column></mj-section></mj-body></mjml>',
}
IN_SECTION = "<mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section>"
VERSION = {"locales": {"en": ENGLISH}, "variables": SCHEMA}


class Http(httpx.AsyncClient):
    """Ada's client; `rights` are what she holds."""

    rights: set[str]
    id: str
    document: dict[str, Any]

    async def made(self, **other: Any) -> str:
        """A new template's path."""
        answer = await self.post(PATH, json=NEW | other)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["Location"])

    async def draft(self, path: str, **other: Any) -> int:
        """A new draft's number."""
        answer = await self.post(f"{path}/versions", json=VERSION | other)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["version"])

    async def put_in_force(self, path: str, version: int) -> httpx.Response:
        return await self.put(f"{path}/published-version", json={"version": version})


@pytest.fixture
async def http(make_settings: "MakeSettings", clock: MovableClock) -> AsyncGenerator[Http]:
    application = build(make_settings(), httpx.AsyncClient(), clock)
    components = application.state.components

    async def as_ada(_: Request) -> AccessClaims:
        return AccessClaims(
            iss="i", aud="orion", sub=client.id, client_id="c", sid="s", auth_time=2**31, exp=2, iat=1, jti="j"
        )

    async def require(_: AccessClaims, permission: str) -> None:
        if permission not in client.rights:
            raise Problem(403, "permission_denied", "Not allowed", permission)

    application.state.components = replace(components, authenticate=as_ada, require=require)
    client = Http(transport=httpx.ASGITransport(application), base_url="http://n")
    client.rights = {f"template:{what}" for what in ("read", "create", "update", "publish", "delete")}
    client.id = str(ADA)
    client.document = application.openapi()
    async with client:
        yield client
    await components.database.close()


async def test_a_template_is_written_tried_published_and_gone_back_to(http: Http, database: "Database") -> None:
    path = await http.made()
    first = await http.draft(path)
    shown = (await http.post(f"{path}/versions/{first}/previews", json={"variables": {"name": "<Bob>"}})).json()
    assert shown["subject"] == "Hello <Bob>"
    assert "Hello &lt;Bob&gt;" in shown["html"]
    assert shown["text"] == "Hello <Bob>\n\nSee (https://shop.example/o/1)\n"
    assert (await http.get(f"{path}/versions/{first}/findings")).json() == []
    with pytest.raises(LookupError):
        async with database.autocommit() as connection:
            await published(connection, "shipped", Channel.EMAIL)
    answer = await http.put_in_force(path, first)
    assert (answer.status_code, answer.json()["published_version"]) == (200, 1)
    assert answer.json()["variables"] == SCHEMA

    second = await http.draft(path, locales={"en": ENGLISH | {"subject": "Hi"}}, variables={"type": "object"} | SCHEMA)
    await http.put_in_force(path, second)
    assert await said(database) == "Hi"
    assert (await http.put_in_force(path, first)).json()["published_version"] == 1
    assert await said(database) == "Hello Eve"


async def said(database: "Database") -> str:
    """The subject that a message gets now."""
    async with database.autocommit() as connection:
        found = await published(connection, "shipped", Channel.EMAIL)
    compiled = await Library(database).get(found.id, found.version, "en")
    values = {"name": "Eve", "url": "https://e"}
    return render(compiled, values, locale="en", timezone="UTC").subject


async def test_what_is_published_never_changes(http: Http) -> None:
    path = await http.made()
    draft = await http.post(f"{path}/versions", json=VERSION)
    headers = {"If-Match": draft.headers["ETag"]}
    edited = await http.patch(f"{path}/versions/1", json={"changelog": "better"}, headers=headers)
    assert edited.json()["changelog"] == "better"
    assert (await http.patch(f"{path}/versions/1", json={"changelog": "x"}, headers=headers)).status_code == 412
    assert (await http.patch(f"{path}/versions/1", json={"changelog": "x"})).status_code == 428
    await http.put_in_force(path, 1)
    for answer in (
        await http.patch(f"{path}/versions/1", json={"changelog": "x"}, headers={"If-Match": "*"}),
        await http.delete(f"{path}/versions/1"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "version_published")
    assert await http.draft(path) == 2
    assert (await http.delete(f"{path}/versions/2")).status_code == 204
    assert (await http.get(f"{path}/versions/2")).status_code == 404


async def test_a_layout_is_frozen_into_what_was_published_with_it(http: Http, database: "Database") -> None:
    layout = await http.made(name="base", kind="LAYOUT")
    around = {
        "mjml": "<mjml><mj-body>{% content %}<mj-include path='foot' /></mj-body></mjml>",
        "text": "{% content %}!",
    }
    await http.draft(layout, locales={"en": around}, variables=None)
    part = await http.made(name="foot", kind="PARTIAL")
    foot = {"mjml": IN_SECTION.format("FIRST")}
    await http.draft(part, locales={"en": foot}, variables=None)
    assert (await http.put_in_force(layout, 1)).status_code == 422  # there is no foot yet
    assert (await http.put_in_force(part, 1)).status_code == 200
    assert (await http.put_in_force(layout, 1)).status_code == 200

    path = await http.made()
    body = {
        "subject": "s",
        "mjml": "<mj-section><mj-column><mj-text>{{ name }} {{ url }}</mj-text></mj-column></mj-section>",
    }
    await http.draft(path, locales={"en": body}, layout="base")
    assert (await http.put_in_force(path, 1)).status_code == 200
    version = (await http.get(f"{path}/versions/1")).json()
    assert version["parts"] == {"layout base": 1, "partial foot": 1}
    await http.draft(part, locales={"en": {"mjml": IN_SECTION.format("SECOND")}}, variables=None)
    await http.put_in_force(part, 2)
    async with database.autocommit() as connection:
        found = await published(connection, "shipped", Channel.EMAIL)
    compiled = await Library(database).get(found.id, 1, "en")
    html = render(compiled, {"name": "a", "url": "b"}, locale="en", timezone="UTC").html or ""
    assert "FIRST" in html
    assert "SECOND" not in html
    # A layout says nothing by itself.
    with pytest.raises(LookupError):
        async with database.autocommit() as connection:
            await published(connection, "base", Channel.EMAIL)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"locales": {"en": ENGLISH | {"subject": "{{ nam }}"}}}, "unknown_variable"),
        ({"locales": {"en": ENGLISH | {"subject": "{% if %}"}}}, "syntax"),
        ({"locales": {"en": ENGLISH | {"mjml": "<mjml>"}}}, "syntax"),
        ({"locales": {"de": ENGLISH}}, "default_locale_missing"),
        ({"locales": {"en": {"subject": "a"}}}, "syntax"),
        ({"locales": {"en": {"text": "{{ name }} {{ url }}"}}}, "no_subject"),
        ({"locales": {"en": ENGLISH | {"text": " "}}}, "no_text"),
        ({"locales": {"en": {"subject": "s", "html": "<a href='/x'>x</a>"}}}, "relative_link"),
        ({"locales": {"en": {"subject": "s", "html": "<a href='javascript:x'>x</a>"}}}, "unsafe_link"),
        ({"locales": {"en": {"subject": "s", "html": "<a href='https:///x'>x</a>"}}}, "broken_link"),
        ({"locales": {"en": {"subject": "s", "html": "<img src='https://x/y.png'>a"}}}, "image_without_alt"),
        ({"locales": {"en": {"subject": "s", "html": "<script>x</script>a"}}}, "unsafe_element"),
        ({"locales": {"en": {"subject": "s", "html": "<p onclick='x'>a</p>"}}}, "unsafe_attribute"),
        ({"locales": {"en": {"subject": "s", "text": "{% for i in (1..99999999) %}{% endfor %}"}}}, "not_rendered"),
        ({"layout": "nowhere"}, "syntax"),
        ({"variables": {**SCHEMA, "properties": {"name": {"type": "integer", "examples": ["x"]}}}}, "example_misfits"),
    ],
)
async def test_what_would_reach_readers_broken_is_not_published(http: Http, change: dict[str, Any], code: str) -> None:
    path = await http.made()
    await http.draft(path, **change)
    answer = await http.put_in_force(path, 1)
    assert (answer.status_code, answer.json()["code"]) == (422, "template_faulty"), answer.text
    assert code in {error["code"] for error in answer.json()["errors"]}
    assert (await http.get(path)).json()["published_version"] is None


async def test_marketing_says_how_to_end_it_before_and_after(http: Http) -> None:
    path = await http.made(category="MARKETING")
    await http.draft(path)
    answer = await http.put_in_force(path, 1)
    assert {error["code"] for error in answer.json()["errors"]} == {"no_unsubscribe"}
    ending = ENGLISH["mjml"].replace("Hello", '<a href="{{ unsubscribe_url }}">End it</a> Hello')
    await http.draft(path, locales={"en": ENGLISH | {"mjml": ending}})
    assert (await http.put_in_force(path, 2)).status_code == 200

    other = await http.made(name="other")
    await http.draft(other)
    await http.put_in_force(other, 1)
    answer = await http.patch(other, json={"category": "MARKETING"}, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (422, "template_faulty")


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}, "/variables/properties/a"),
        ({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1/x"}}}, "/variables/properties/a"),
        (
            {"type": "object", "properties": {"a": {"pattern": "((a{1000}){1000}){1000}"}}},
            "/variables/properties/a/pattern",
        ),
        ({"type": "array"}, "/variables/type"),
        ({"type": "object", "properties": {"a": {"type": "strin"}}}, "/variables/properties/a/type"),
    ],
)
async def test_a_schema_that_could_keep_us_busy_is_refused(http: Http, schema: dict[str, Any], field: str) -> None:
    path = await http.made()
    answer = await http.post(f"{path}/versions", json=VERSION | {"variables": {"type": "object"} | schema})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_schema"), answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert (await http.get(f"{path}/versions")).json()["items"] == []


async def test_variables_that_do_not_fit_are_told_one_by_one(http: Http) -> None:
    path = await http.made()
    await http.draft(path)
    body = {"variables": {"name": "x" * 51, "url": "http://secret", "nam": 1}}
    answer = await http.post(f"{path}/versions/1/previews", json=body)
    told = {(error["field"], error["code"]) for error in answer.json()["errors"]}
    assert told == {("/variables/name", "maxLength"), ("/variables/url", "pattern"), ("/variables/nam", "unknown")}
    assert "secret" not in answer.text


async def test_a_diff_tells_what_differs(http: Http) -> None:
    path = await http.made()
    await http.draft(path)
    await http.draft(path, locales={"en": ENGLISH | {"subject": "Hi"}, "de": ENGLISH})
    found = (await http.get(f"{path}/versions/2/diff", params={"against": 1})).json()
    assert [(one["locale"], one["part"]) for one in found] == [("de", "subject"), ("de", "mjml"), ("en", "subject")]
    assert found[-1]["diff"].splitlines()[-2:] == ["-Hello {{ name }}", "+Hi"]


async def test_a_trial_goes_to_whoever_asks_and_to_nobody_else(
    http: Http, auth: "AuthFeed", working: "Working", mailbox: "Mailbox"
) -> None:
    path = await http.made()
    await http.draft(path)
    answer = await http.post(f"{path}/versions/1/trials", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_own_address")
    http.id = str(await auth.register("ada@example.com"))
    answer = await http.post(f"{path}/versions/1/trials", json={"variables": {"name": "me"}})
    assert (answer.status_code, answer.json()["recipient"]) == (202, "ada@example.com")
    async with working():
        (mail,) = await mailbox.wait_for("ada@example.com")
    assert mail.subject == "Hello me"


async def test_listing_searching_and_putting_away(http: Http) -> None:
    for name in ("zebra_one", "zebra_two", "zebra_three"):
        await http.made(name=name, tags=["zoo"], display_name="100% zoo")
    names: list[str] = []
    url: str | None = f"{PATH}?q=100%25&tag=zoo&channel=EMAIL&limit=2"
    while url:
        answer = await http.get(url)
        names += [item["name"] for item in answer.json()["items"]]
        url = answer.links["next"]["url"] if answer.links else None
    assert names == ["zebra_one", "zebra_three", "zebra_two"]
    answer = await http.post(PATH, json=NEW | {"name": "zebra_one"})
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    path = f"{PATH}/{(await http.get(PATH, params={'q': 'zebra_one'})).json()['items'][0]['id']}"
    assert (await http.delete(path)).status_code == 204
    for answer in (await http.get(path), await http.delete(path), await http.get(f"{path}/versions")):
        assert answer.status_code == 404
    await http.made(name="zebra_one")


def _route(url: str) -> str:
    """The path in the document."""
    steps = url.partition("?")[0].removeprefix(PATH).split("/")[1:]
    named = {0: "{template_id}", 2: "{version}"}
    return "/".join([PATH, *(named.get(place, step) for place, step in enumerate(steps))])


async def test_each_route_needs_its_right(http: Http, query: "Query") -> None:
    path = await http.made()
    await http.draft(path)
    before = await query(
        "SELECT to_jsonb(t), to_jsonb(v) FROM templates t JOIN template_versions v ON t.id = template_id"
    )
    needs: dict[str, list[tuple[str, str, Any]]] = {
        "template:read": [
            ("GET", PATH, None),
            ("GET", path, None),
            ("GET", f"{path}/versions", None),
            ("GET", f"{path}/versions/1", None),
            ("GET", f"{path}/versions/1/diff?against=1", None),
            ("GET", f"{path}/versions/1/findings", None),
            ("POST", f"{path}/versions/1/previews", {}),
        ],
        "template:create": [("POST", PATH, NEW | {"name": "x"})],
        "template:update": [
            ("PATCH", path, {}),
            ("POST", f"{path}/versions", VERSION),
            ("PATCH", f"{path}/versions/1", {}),
            ("DELETE", f"{path}/versions/1", None),
            ("POST", f"{path}/versions/1/trials", {}),
        ],
        "template:publish": [("PUT", f"{path}/published-version", {"version": 1})],
        "template:delete": [("DELETE", path, None)],
    }
    asked = sorted((method.lower(), _route(url)) for routes in needs.values() for method, url, _ in routes)
    assert asked == sorted(
        (method, path)
        for path, operations in http.document["paths"].items()
        for method in operations
        if "/templates" in path
    )
    held = http.rights
    for right, routes in needs.items():
        http.rights = held - {right}
        for method, url, body in routes:
            answer = await http.request(method, url, json=body)
            assert (answer.status_code, answer.json()["detail"]) == (403, right), url
    after = await query(
        "SELECT to_jsonb(t), to_jsonb(v) FROM templates t JOIN template_versions v ON t.id = template_id"
    )
    assert after == before


async def test_what_was_done_stands_in_the_audit_trail(http: Http, query: "Query") -> None:
    path = await http.made()
    await http.draft(path)
    await http.put_in_force(path, 1)
    await http.put_in_force(path, 1)
    await http.delete(path)
    rows = await query("SELECT data->>'action' FROM outbox WHERE type LIKE '%audit%' ORDER BY id")
    assert [row[0] for row in rows] == [
        "template.create",
        "template.draft",
        "template.publish",
        "template.rollback",
        "template.delete",
    ]
