"""What is wrong with a setting is told so that a person can put it right, without repeating what may be a secret."""

from pathlib import Path

import pytest
from pydantic import Field, field_validator

from orion_core.sealing import Keyring
from orion_core.settings import (
    DatabaseUrl,
    ServiceSettings,
    SettingsError,
    database_url,
    keyring,
    parse_keyring,
)


class SampleSettings(ServiceSettings):
    """The settings of a service that does not exist."""

    database_url: DatabaseUrl = database_url("SAMPLE_DATABASE_URL", "orion_sample")
    sealing_keys: Keyring = keyring("SAMPLE_SEALING_KEYS")
    key_hashes: dict[str, str] = Field({}, validation_alias="SAMPLE_KEY_HASHES", examples=['{"user": "…"}'])

    _parse = field_validator("sealing_keys", mode="before")(parse_keyring)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which all required settings are good, and no `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in ("ORION_ENV", "ORION_LOG_FORMAT", "ORION_LOG_LEVEL", "AUTH_URL", "AUTH_ISSUER", "ORION_POOL_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SAMPLE_DATABASE_URL", "postgresql://user:p%40ss@localhost:5432/orion_sample")
    monkeypatch.setenv("SAMPLE_SEALING_KEYS", Keyring.new_key("a"))


def faults() -> str:
    with pytest.raises(SettingsError) as error:
        SampleSettings.load()
    assert error.value.__cause__ is None and error.value.__suppress_context__, "the cause would show the value"
    return str(error.value)


def test_good_settings_load() -> None:
    settings = SampleSettings.load()
    assert settings.environment == "development"
    assert settings.database_url == "postgresql://user:p%40ss@localhost:5432/orion_sample"
    assert settings.sealing_keys.active_id == "a"


def test_a_missing_setting_is_named_with_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMPLE_DATABASE_URL")
    assert faults() == (
        "SAMPLE_DATABASE_URL is not set. "
        "Example: SAMPLE_DATABASE_URL=postgresql://user:password@localhost:5432/orion_sample"
    )


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMPLE_DATABASE_URL")
    monkeypatch.setenv("ORION_POOL_SIZE", "many")
    monkeypatch.setenv("ORION_ENV", "prod")
    named = [line.split()[0] for line in faults().splitlines()]
    assert named == ["ORION_ENV", "ORION_POOL_SIZE", "SAMPLE_DATABASE_URL"]


SECRET = "s3cr3t-that-nobody-may-see"

BAD_VALUES = [
    ("SAMPLE_SEALING_KEYS", SECRET),
    ("SAMPLE_SEALING_KEYS", f"a:{SECRET}"),
    ("SAMPLE_SEALING_KEYS", f'{{"a": "{SECRET}"}}'),
    ("SAMPLE_DATABASE_URL", f"mysql://user:{SECRET}@localhost/db"),
    ("SAMPLE_DATABASE_URL", f"postgresql://user:{SECRET}@localhost:port/db"),
    ("SAMPLE_DATABASE_URL", f"postgresql://user:{SECRET}@localhost/db?sslmode=perhaps"),
    ("SAMPLE_DATABASE_URL", SECRET),
    ("SAMPLE_KEY_HASHES", f'{{"user": {SECRET}'),
    ("SAMPLE_KEY_HASHES", f'["{SECRET}"]'),
    ("ORION_TRUSTED_PROXIES", f"10.0.0.0/8,{SECRET}"),
    ("ORION_POOL_SIZE", SECRET),
    ("ORION_POOL_SIZE", "0"),
    ("ORION_LOG_LEVEL", SECRET),
    ("ORION_ENV", SECRET),
]


@pytest.mark.parametrize(("variable", "value"), BAD_VALUES)
def test_a_wrong_setting_is_named_with_an_example_but_never_its_value(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    message = faults()
    assert message.startswith(f"{variable} is wrong: ") and f"Example: {variable}=" in message
    assert SECRET not in message


def test_the_fault_of_a_url_says_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE_DATABASE_URL", "postgresql://localhost/db?sslmode=perhaps")
    assert "sslmode must be one of allow, disable, prefer, require, verify-ca, verify-full" in faults()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///orion?host=/var/run/postgresql",
        "postgresql://u:p@localhost/orion?host=/var/run/postgresql/",
        "postgres://u:p@[::1]:5432/orion?schema=public&connection_limit=5&pgbouncer=true",
        "postgresql://u:p%40%2F%3A%23@db.internal/orion?sslmode=verify-full&sslrootcert=/etc/ca.pem",
    ],
)
def test_urls_as_libpq_and_prisma_write_them_are_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE_DATABASE_URL", url)
    assert SampleSettings.load().database_url == url


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ORION_POOL_SIZE=7\nORION_BODY_LIMIT=2048\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("ORION_POOL_SIZE", "8")
    settings = SampleSettings.load()
    assert (settings.pool_size, settings.body_limit) == (8, 2048)


def test_a_fault_in_the_file_is_told_like_any_other(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ORION_POOL_SIZE=0\n")
    assert faults().startswith("ORION_POOL_SIZE is wrong")


def test_trusted_proxies_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORION_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8,")
    assert [str(network) for network in SampleSettings.load().trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]


def test_settings_show_nothing_of_themselves() -> None:
    settings = SampleSettings.load()
    assert repr(settings) == str(settings) == "SampleSettings(…)"


@pytest.mark.parametrize(("where", "works"), [("development", True), ("test", True), ("production", False)])
def test_the_key_of_the_example_seals_nothing_in_production(
    where: str, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORION_ENV", where)
    monkeypatch.setenv("SAMPLE_SEALING_KEYS", f"{Keyring.new_key('mine')},{Keyring.example()}")
    if works:
        SampleSettings.load()
    else:
        assert "it holds the key of the example" in faults()
