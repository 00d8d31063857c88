"""The data browser over all three services: every page of every table answers, in both modes."""

import re
from html import unescape

import httpx
import pytest

import orion_db
from orion_core.service import installed_services
from orion_core.testing.plugin import MakeDatabase
from orion_db.demo.fill import seed_demo
from orion_db.studio.application import studio
from orion_db.studio.models import Shown, shown_tables

HOST = "http://127.0.0.1:7106"
NAMES = ("auth", "notifications", "user")
FEW = 20


@pytest.fixture
async def targets(make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> list[orion_db.Target]:
    """The three databases, with a few users in each."""
    monkeypatch.setattr("orion_db.demo.fill.FEWEST", FEW)
    found: list[orion_db.Target] = []
    for name in NAMES:
        database = await make_database(name)
        target = orion_db.Target(installed_services()[name], url=database.url, owner_url=database.owner_url)
        await orion_db.seed(target)
        await seed_demo(target, users=FEW)
        found.append(target)
    return found


async def test_every_page_of_every_table_answers(targets: list[orion_db.Target]) -> None:
    faults: list[str] = []
    seen = 0
    for writable in (False, True):
        async with studio(targets, writable=writable) as application:
            transport = httpx.ASGITransport(application, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                assert (await client.get(application.link(7106))).status_code == 303
                for target in targets:
                    for shown in shown_tables(target.service):
                        seen += 1
                        faults += await _faults(client, target, shown, writable=writable)
    assert not faults
    assert seen > 90


async def _faults(client: httpx.AsyncClient, target: orion_db.Target, shown: Shown, *, writable: bool) -> list[str]:
    """What is wrong with the pages of one table."""
    place = f"/{target.service.name}/{shown.table.name.replace('_', '-')}"
    may = shown.may if writable else frozenset[str]()
    listed = await client.get(f"{place}/list")
    expected = {"create": 200 if "INSERT" in may else 403, "edit?pk=": 404 if "UPDATE" in may else 403}
    if writable:
        expected |= {"list?q=a": 200, "detail?pk=nonsense": 404}
    if writable and (key := re.search(r"detail\?pk=([^&\"]+)", listed.text)):
        pk = unescape(key[1])
        expected |= {f"detail?pk={pk}": 200, f"edit?pk={pk}": 200 if "UPDATE" in may else 403}
    found = {page: (await client.get(f"{place}/{page}")).status_code for page in expected}
    found["list"], expected["list"] = listed.status_code, 200
    return [
        f"{place}/{page}, writable {writable}: {status}" for page, status in found.items() if status != expected[page]
    ]
