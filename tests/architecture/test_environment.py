"""`.env.example` names every variable that a service reads, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path

from orion_auth.settings import AuthSettings
from orion_core.service import installed_services
from orion_core.settings import ServiceSettings
from orion_db.backups import vault as backups
from orion_notifications.settings import NotificationSettings
from orion_user.settings import UserSettings

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"
SETTINGS: tuple[type[ServiceSettings], ...] = (AuthSettings, UserSettings, NotificationSettings)


def read_by_orion() -> Iterator[str]:
    for settings in SETTINGS:
        for field in settings.model_fields.values():
            assert isinstance(field.validation_alias, str)
            yield field.validation_alias
    for service in installed_services().values():
        yield service.owner_url_variable
    yield from backups.VARIABLES


def test_every_variable_is_explained_and_no_other() -> None:
    explained = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", EXAMPLE.read_text(), flags=re.MULTILINE)
    assert sorted(explained) == sorted(set(read_by_orion()))


def test_every_setting_has_an_example_for_its_error() -> None:
    silent = [name for settings in SETTINGS for name, field in settings.model_fields.items() if not field.examples]
    assert silent == []
