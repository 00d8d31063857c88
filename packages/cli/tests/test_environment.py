"""What the children are told: generated once, private, and never against the user's own values."""

import stat
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from sqlalchemy import MetaData

from orion_cli import environment
from orion_core.sealing import Keyring
from orion_core.service import Service


async def no_seed(*_: object) -> object:
    raise NotImplementedError


def a_service(name: str, prefix: str, port: int) -> Service:
    return Service(
        name=name,
        title=name,
        database=f"orion_{name}",
        url_variable=f"{prefix}_DATABASE_URL",
        port=port,
        metadata=MetaData(),
        migrations=Path(),
        seed=no_seed,  # pyright: ignore[reportArgumentType]
        package=Path(),
        application="",
        settings="",
    )


AUTH, NOTIFICATIONS = a_service("auth", "AUTH", 7101), a_service("notifications", "NOTIFICATION", 7103)
SERVICES = [AUTH, NOTIFICATIONS]


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    first = environment.ensure_secrets(file, SERVICES, {})
    assert set(first) == {
        "EVENT_SEALING_KEYS",
        "USER_EVENT_SEALING_KEYS",
        "AUTH_SEALING_KEYS",
        "AUTH_DATABASE_PASSWORD",
        "NOTIFICATION_SEALING_KEYS",
        "NOTIFICATION_DATABASE_PASSWORD",
        "NOTIFICATION_SERVICE_KEY",
        "AUTH_OPERATOR_KEY",
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert environment.ensure_secrets(file, SERVICES, {}) == first
    ids = {Keyring.parse(first[name]).active_id for name in first if name.endswith("_SEALING_KEYS")}
    assert len(ids) == 4, "a key of another installation is told from a damaged seal by its id"


def test_a_new_service_gets_its_secrets_and_the_old_ones_stay(tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    first = environment.ensure_secrets(file, [AUTH], {})
    both = environment.ensure_secrets(file, SERVICES, {})
    assert first.items() < both.items()


def test_what_the_user_sets_is_not_invented(tmp_path: Path) -> None:
    given = {"AUTH_SEALING_KEYS": "his:own", "EVENT_SEALING_KEYS": "his:too", "USER_EVENT_SEALING_KEYS": "his:third"}
    made = environment.ensure_secrets(tmp_path / "secrets.env", [AUTH], given)
    assert set(made) == {"AUTH_DATABASE_PASSWORD", "AUTH_OPERATOR_KEY"}


def test_auth_knows_the_hashes_of_the_others_keys() -> None:
    told = environment.service_key_hashes(SERVICES, {"NOTIFICATION_SERVICE_KEY": "key"})
    assert orjson.loads(told["AUTH_SERVICE_KEY_HASHES"]) == {"notifications": sha256(b"key").hexdigest()}


def test_only_services_without_a_url_get_a_database() -> None:
    given = {"AUTH_DATABASE_URL": "postgresql://…", "NOTIFICATION_DATABASE_URL": " "}
    assert environment.without_url(SERVICES, given) == [NOTIFICATIONS]


def test_addresses_follow_the_ports() -> None:
    ports = {"auth": 8101, "notifications": 7103, "mailbox": 7104, "smtp": 8125}
    assert environment.address_variables(SERVICES, ports) == {
        "AUTH_URL": "http://127.0.0.1:8101",
        "NOTIFICATION_URL": "http://127.0.0.1:7103",
    }
    assert environment.defaults(ports) == {
        "AUTH_ISSUER": "http://127.0.0.1:8101",
        "NOTIFICATION_APP_URL": "http://127.0.0.1:8101",
        "NOTIFICATION_PUBLIC_URL": "http://127.0.0.1:7103",
        "NOTIFICATION_SMTP_HOST": "127.0.0.1",
        "NOTIFICATION_SMTP_PORT": "8125",
        "NOTIFICATION_SMS_URL": "http://127.0.0.1:7104/sms",
        "NOTIFICATION_SINK_URL": "http://127.0.0.1:7104",
    }
    assert environment.addresses(SERVICES, ports)["mailbox"] == "http://127.0.0.1:7104"


def test_the_environment_stands_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text('A_OF_FILE="from file"\nIN_BOTH=file\nEMPTY\n')
    monkeypatch.setenv("IN_BOTH", "environment")
    read = environment.read_environment(tmp_path)
    assert read["A_OF_FILE"] == "from file"
    assert read["IN_BOTH"] == "environment"
    assert "EMPTY" not in read
