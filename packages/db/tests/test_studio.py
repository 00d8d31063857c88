"""The data browser: who gets in, what is shown, what may be changed, and what is kept of a change."""

import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from html import unescape
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

import orion_db
from orion_core.service import installed_services
from orion_db.scratch import pointed_at
from orion_db.studio.access import OneTimeAccess
from orion_db.studio.application import SETTINGS, studio
from orion_db.studio.models import MASK, is_secret

if TYPE_CHECKING:
    from orion_core.testing.plugin import MakeDatabase

HOST = "http://127.0.0.1:7106"

Browse = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
async def target(make_database: "MakeDatabase") -> orion_db.Target:
    database = await make_database("auth")
    made = orion_db.Target(installed_services()["auth"], url=database.url, owner_url=database.owner_url)
    await orion_db.seed(made)
    return made


@pytest.fixture
def browse(target: orion_db.Target) -> Browse:
    """A browser that has opened the printed link."""

    @asynccontextmanager
    async def opened(*, writable: bool = False) -> AsyncGenerator[httpx.AsyncClient]:
        async with studio([target], writable=writable) as application, _client(application) as client:
            assert (await client.get(application.link(7106))).status_code == 303
            yield client

    return opened


async def test_the_link_opens_the_browser_once(target: orion_db.Target) -> None:
    async with studio([target], writable=False) as application:
        link = application.link(7106)
        async with _client(application) as stranger:
            assert (await stranger.get("/auth/")).status_code == 401
            assert (await stranger.get("/?token=guess")).status_code == 401
        async with _client(application) as owner, _client(application) as late:
            entered = await owner.get(link)
            assert entered.status_code == 303
            assert {"HttpOnly", "SameSite=strict"} <= set(entered.headers["set-cookie"].split("; "))
            assert (await owner.get("/auth/")).status_code == 200
            assert (await late.get(link)).status_code == 401


async def test_another_host_name_is_refused_even_with_the_cookie(browse: Browse) -> None:
    async with browse() as client:
        assert (await client.get("/auth/", headers={"Host": "rebound.example:7106"})).status_code == 421


async def test_no_other_page_may_ask_frame_or_be_told(browse: Browse) -> None:
    """Another program's page on 127.0.0.1 shares the cookie: cookies know no ports."""
    async with browse() as client:
        for site in ("cross-site", "same-site"):
            assert (await client.get("/auth/", headers={"Sec-Fetch-Site": site})).status_code == 403
        headers = (await client.get("/auth/", headers={"Sec-Fetch-Site": "same-origin"})).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_secrets_are_masked_wherever_rows_are_shown(browse: Browse, target: orion_db.Target) -> None:
    (row,) = await _fetch(target, "SELECT id, password_hash FROM identities WHERE email = 'admin@orion.local'")
    async with browse() as client:
        for page in ("identities/list", f"identities/detail?pk={row['id']}"):
            shown = (await client.get(f"/auth/{page}")).text
            assert "admin@orion.local" in shown
            assert MASK in shown
            assert "argon2" not in shown


def test_every_column_that_holds_a_secret_is_known() -> None:
    columns = [
        column
        for service in installed_services().values()
        for table in service.metadata.tables.values()
        for column in table.columns
    ]
    sealed = [column for column in columns if column.info.get("sealed")]
    assert sealed
    assert all(is_secret(column) for column in sealed)
    names = {column.name for column in columns if is_secret(column)}
    assert {"password_hash", "token_hash", "key_hash", "private_key", "totp_secret", "code_hash"} <= names
    assert names.isdisjoint({"token", "prefix", "password_changed_at", "email"})


async def test_nothing_can_be_changed_unless_it_is_asked_for(browse: Browse) -> None:
    async with browse() as client:
        policies = (await client.get("/auth/rate-limit-policies/list")).text
        assert "edit?pk=" not in policies
        key = _first_key(policies)
        assert (await client.get(f"/auth/rate-limit-policies/edit?pk={key}")).status_code == 403
        assert (await client.get("/auth/rate-limit-policies/create")).status_code == 403


async def test_a_database_that_is_missing_is_told_at_once(target: orion_db.Target) -> None:
    with pytest.raises(orion_db.Problem, match="does not exist"):
        async with studio([pointed_at(target, "orion_nowhere")], writable=False):
            pass


async def test_the_server_itself_refuses_writes(target: orion_db.Target) -> None:
    async with studio([target], writable=False):
        assert await _fetch(target, "SELECT to_regclass('studio_changes') AS made") == [{"made": None}]


async def test_a_change_is_made_and_kept_with_what_was_before(browse: Browse, target: orion_db.Target) -> None:
    async with browse(writable=True) as client:
        key = _first_key((await client.get("/auth/rate-limit-policies/list")).text)
        changed = await _submit(client, f"/auth/rate-limit-policies/edit?pk={key}", limit="77")
        assert changed.status_code == 303
    (row,) = await _fetch(target, 'SELECT key_type, "limit" FROM rate_limit_policies WHERE id = $1', key)
    assert row["limit"] == 77
    (change,) = await _fetch(target, "SELECT * FROM studio_changes")
    assert (change["table_name"], change["row_key"], change["action"]) == ("rate_limit_policies", key, "UPDATE")
    assert '"limit": 77' in str(change["new_values"])
    assert '"limit": ' in str(change["old_values"])
    assert change["changed_by"]


async def test_saving_a_row_changes_what_was_typed_and_nothing_else(
    browse: Browse, target: orion_db.Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form cannot say NULL, tells seconds, and knows no zone."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    await _fetch(target, "UPDATE identities SET email_verified_at = '2026-02-03 04:05:06.789012+00', phone = NULL")
    everything = "SELECT * FROM identities WHERE email = 'admin@orion.local'"
    (before,) = await _fetch(target, everything)
    try:
        async with browse(writable=True) as client:
            page = f"/auth/identities/edit?pk={before['id']}"
            assert (await _submit(client, page, locale="fr")).status_code == 303
            assert (await _submit(client, page, email_verified_at="2026-02-03T05:00:00")).status_code == 303
    finally:
        monkeypatch.undo()
        time.tzset()
    (after,) = await _fetch(target, everything)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"locale", "email_verified_at", "updated_at"}
    assert after["email_verified_at"] == datetime(2026, 2, 3, 5, tzinfo=UTC)
    changes = await _fetch(target, "SELECT new_values::text AS new FROM studio_changes ORDER BY changed_at")
    assert changes[0] == {"new": '{"locale": "fr"}'}


async def test_a_form_of_another_page_changes_nothing(browse: Browse, target: orion_db.Target) -> None:
    async with browse(writable=True) as client:
        key = _first_key((await client.get("/auth/rate-limit-policies/list")).text)
        forged = await client.post(f"/auth/rate-limit-policies/edit?pk={key}", data={"limit": "1"})
        assert forged.status_code == 403
    assert await _fetch(target, "SELECT count(*) AS made FROM studio_changes") == [{"made": 0}]


async def test_a_refused_change_says_why_without_the_row_and_leaves_nothing(
    browse: Browse, target: orion_db.Target
) -> None:
    """PostgreSQL's detail of a failed CHECK is the whole row, with the secrets that are masked."""
    (row,) = await _fetch(target, "SELECT id FROM identities WHERE email = 'admin@orion.local'")
    async with browse(writable=True) as client:
        refused = await _submit(client, f"/auth/identities/edit?pk={row['id']}", failed_login_count="-1")
        assert refused.status_code == 422
        assert "violates check constraint" in refused.text
        assert "argon2" not in refused.text
        assert "Failing row" not in refused.text
    assert await _fetch(target, "SELECT count(*) AS made FROM studio_changes") == [{"made": 0}]


async def test_a_secret_and_a_key_cannot_be_written_by_a_forged_field(browse: Browse, target: orion_db.Target) -> None:
    (before,) = await _fetch(target, "SELECT id, password_hash FROM identities WHERE email = 'admin@orion.local'")
    async with browse(writable=True) as client:
        page = f"/auth/identities/edit?pk={before['id']}"
        forged = {"password_hash": "mine", "id": "00000000-0000-7000-8000-000000000000", "locale": "fr"}
        assert (await _submit(client, page, **forged)).status_code == 303
    (after,) = await _fetch(target, "SELECT id, password_hash, locale FROM identities WHERE locale = 'fr'")
    assert (after["id"], after["password_hash"]) == (before["id"], before["password_hash"])


async def test_each_row_of_a_bulk_delete_is_kept(browse: Browse, target: orion_db.Target) -> None:
    async with browse(writable=True) as client:
        keys = [str(row["id"]) for row in await _fetch(target, "SELECT id FROM rate_limit_policies LIMIT 3")]
        done = await _act(client, "rate-limit-policies", "delete", {"pks": keys})
        assert done.status_code == 200
    changes = await _fetch(target, "SELECT action, row_key, old_values FROM studio_changes")
    assert {change["row_key"] for change in changes} == set(keys)
    assert all(change["action"] == "DELETE" and "endpoint" in str(change["old_values"]) for change in changes)


async def test_a_table_larger_than_the_count_is_neither_exported_nor_deleted_whole(
    browse: Browse, target: orion_db.Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count ends at a bound, so a table of that many rows may have any number of them."""
    monkeypatch.setattr("orion_db.studio.views.MOST_COUNTED", 3)
    monkeypatch.setattr("orion_db.studio.application.MOST_COUNTED", 3)
    monkeypatch.setattr("orion_db.studio.views.TableView.action_select_all_limit", 2)
    (before,) = await _fetch(target, "SELECT count(*) AS made FROM rate_limit_policies")
    async with browse(writable=True) as client:
        exported = await _act(client, "rate-limit-policies", "export", {"all": "1"}, scope="all", format="csv")
        assert exported.status_code == 303
        assert (await _act(client, "rate-limit-policies", "delete", {"all": "1"})).status_code == 400
    assert await _fetch(target, "SELECT count(*) AS made FROM rate_limit_policies") == [before]


async def test_a_slow_page_says_that_it_was_too_slow(
    browse: Browse, target: orion_db.Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "statement_timeout", "100ms")
    blocker = await asyncpg.connect(target.owner_url)
    try:
        async with blocker.transaction(), browse() as client:
            await blocker.execute("LOCK TABLE devices IN ACCESS EXCLUSIVE MODE")
            page = await client.get("/auth/devices/list")
    finally:
        await blocker.close()
    assert page.status_code == 422
    assert "canceling statement due to statement timeout" in page.text


async def test_rows_that_only_the_service_writes_stay_as_they_are(browse: Browse) -> None:
    async with browse(writable=True) as client:
        for page in ("auth-tokens/create", "outbox/create", "login-attempts/edit?pk=x", "security-events/edit?pk=x"):
            assert (await client.get(f"/auth/{page}")).status_code in (403, 404), page


async def _fetch(target: orion_db.Target, statement: str, *values: object) -> list[dict[str, object]]:
    connection = await asyncpg.connect(target.owner_url)
    try:
        return [dict(row) for row in await connection.fetch(statement, *values)]
    finally:
        await connection.close()


def _client(application: OneTimeAccess) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=HOST)


def _first_key(page: str) -> str:
    found = re.search(r"pk=([0-9a-f-]{36})", page)
    assert found
    return found[1]


async def _act(
    client: httpx.AsyncClient, key: str, name: str, given: dict[str, str | list[str]], **form: str
) -> httpx.Response:
    """Ask for an action on chosen rows, as the page's script does."""
    await client.get(f"/auth/{key}/list")
    token = {"X-CSRFToken": client.cookies["starlette_admin_csrftoken"]}
    return await client.post(f"/auth/_api/{key}/action", params={"name": name, **given}, headers=token, data=form)


async def _submit(client: httpx.AsyncClient, page: str, **values: str) -> httpx.Response:
    """Send the page's own form, as a person would who changes these fields."""
    shown = (await client.get(page)).text
    form = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', shown))
    form |= {
        name: unescape(held.strip())
        for name, held in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', shown, re.DOTALL)
    }
    form |= dict(re.findall(r'<select[^>]*name="([^"]+)".*?<option value="([^"]*)"\s+selected', shown, re.DOTALL))
    return await client.post(page, data=form | values)
