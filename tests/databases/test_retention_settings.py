"""How long rows are kept can be said to each service, and a service that is told nonsense does not start."""

import asyncio
from collections.abc import Callable

import pytest
from fastapi import FastAPI

import orion_auth.app
import orion_notifications.app
import orion_user.app
from orion_core.database import Database
from orion_core.retention.policy import Policy, read_policy
from orion_core.sealing import Keyring
from orion_core.service import installed_services
from orion_core.settings import SettingsError

SERVICES = sorted(installed_services())

APPLICATIONS: dict[str, Callable[[], FastAPI]] = {
    "auth": orion_auth.app.create_app,
    "notifications": orion_notifications.app.create_app,
    "user": orion_user.app.create_app,
}


@pytest.fixture
def service_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, service in installed_services().items():
        monkeypatch.setenv(service.url_variable, f"postgresql://a:b@127.0.0.1:1/{name}")
        monkeypatch.setenv(service.sealing_variable, Keyring.new_key("test"))
    monkeypatch.setenv("EVENT_SEALING_KEYS", Keyring.new_key("test"))
    monkeypatch.setenv("USER_EVENT_SEALING_KEYS", Keyring.new_key("test"))
    monkeypatch.setenv("NOTIFICATION_SERVICE_KEY", "key")
    monkeypatch.setenv("USER_SERVICE_KEY", "key")


@pytest.mark.usefixtures("service_environment")
@pytest.mark.parametrize("service", SERVICES)
async def test_a_running_service_prunes_by_its_setting(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    description = installed_services()[service]
    monkeypatch.setenv(description.retention_variable, '{"outbox": "1 year"}')
    given: list[Policy] = []

    async def keep_pruned(_: Database, policy: Policy, stop: asyncio.Event) -> None:
        given.append(policy)
        await stop.wait()

    monkeypatch.setattr(f"orion_{service}.app.keep_pruned", keep_pruned)
    application = APPLICATIONS[service]()
    async with application.router.lifespan_context(application):
        await asyncio.sleep(0)
    assert given == [read_policy(description.metadata, {"outbox": "1 year"})]


@pytest.mark.usefixtures("service_environment")
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('{"outbox": "1 day"}', "outbox: '1 day' is too short; its rows are kept for at least 7 days. Example: "),
        ('{"inboxes": "1 day"}', "there is no table 'inboxes'; possible are "),
        ('{"outbox": 7}', "must be a text"),
        ("7 days", "it is not JSON. Example: "),
    ],
)
def test_a_service_does_not_start_with_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, service: str, setting: str, said: str
) -> None:
    variable = installed_services()[service].retention_variable
    monkeypatch.setenv(variable, setting)
    with pytest.raises(SettingsError) as raised:
        APPLICATIONS[service]()
    assert str(raised.value).startswith(f"{variable} is wrong: ") and said in str(raised.value)
