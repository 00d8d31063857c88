"""Settings from the environment, and what is said when they are wrong."""

from base64 import b64encode

import pytest

from orion_auth.settings import AuthSettings
from orion_core.settings import SettingsError

KEY = f"s1:{b64encode(b's' * 32).decode()}"
GOOD = {
    "AUTH_DATABASE_URL": "postgresql://user:hunter2@localhost:5432/orion_auth",
    "AUTH_SEALING_KEYS": KEY,
    "EVENT_SEALING_KEYS": KEY,
    "AUTH_SERVICE_KEY_HASHES": '{"user": "' + "0" * 64 + '"}',
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> pytest.MonkeyPatch:
    """Only what a process needs, and no `.env` beside it."""
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    for name in ("AUTH_URL", "AUTH_PUBLIC_URL", "AUTH_HASHING_THREADS", "ORION_WORKERS", *GOOD):
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_they_are_read_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    settings = AuthSettings.load()
    assert settings.sealing_keys.active_id == "s1"
    assert settings.service_key_hashes == {"user": "0" * 64}
    assert settings.link_prefix == "http://127.0.0.1:7101"
    environment.setenv("AUTH_PUBLIC_URL", "https://auth.example.com/")
    assert AuthSettings.load().link_prefix == "https://auth.example.com"


def test_the_links_of_mails_follow_auth_url(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AUTH_URL", "http://auth.internal:7101")
    assert AuthSettings.load().link_prefix == "http://auth.internal:7101"


def test_workers_share_the_processors_out(environment: pytest.MonkeyPatch) -> None:
    environment.setattr("os.cpu_count", lambda: 8)
    assert AuthSettings.load().threads_to_hash == 8
    environment.setenv("ORION_WORKERS", "3")
    assert AuthSettings.load().threads_to_hash == 2
    environment.setenv("ORION_WORKERS", "20")
    assert AuthSettings.load().threads_to_hash == 1
    environment.setenv("AUTH_HASHING_THREADS", "4")
    assert AuthSettings.load().threads_to_hash == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_DATABASE_URL", None),
        ("AUTH_DATABASE_URL", "mysql://hunter2@localhost/x"),
        ("AUTH_SEALING_KEYS", "hunter2"),
        ("EVENT_SEALING_KEYS", None),
        ("AUTH_SERVICE_KEY_HASHES", '{"user": "hunter2"}'),
        ("AUTH_HASHING_THREADS", "0"),
        ("AUTH_HASHING_PATIENCE_MS", "0"),
        ("ORION_WORKERS", "0"),
    ],
)
def test_a_wrong_one_is_named_and_not_repeated(environment: pytest.MonkeyPatch, name: str, value: str | None) -> None:
    if value is None:
        environment.delenv(name)
    else:
        environment.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name} ") as raised:
        AuthSettings.load()
    assert "Example" in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("origins", "domain"),
    [
        ("http://app.example.com", None),
        ("https://app.example.com/", None),
        ("https://app.example.com/sign-in", None),
        ("https://App.example.com", None),
        ("https://app.example.com:443", None),
        ("https://user@app.example.com", None),
        ("https://app.example.com:99999", None),
        ("app.example.com", None),
        ("android:apk-key-hash:AAAA", None),
        ("https://app.example.com,https://example.com", None),
        ("https://app.example.com", "example.org"),
        ("https://app.example.com", "pp.example.com"),
        ("https://app.example.co.uk", "co.uk"),
        ("https://app.example.com", "com"),
        ("http://127.0.0.1:3000", None),
        ("http://app.localhost", "localhost"),
    ],
)
def test_pages_that_cannot_use_passkeys(environment: pytest.MonkeyPatch, origins: str, domain: str | None) -> None:
    environment.setenv("AUTH_PASSKEY_ORIGINS", origins)
    if domain is not None:
        environment.setenv("AUTH_PASSKEY_DOMAIN", domain)
    with pytest.raises(SettingsError, match=r"^AUTH_PASSKEY_ORIGINS is wrong: ") as raised:
        AuthSettings.load()
    assert "Example" in str(raised.value)


@pytest.mark.parametrize(
    ("origins", "domain", "bound_to"),
    [
        ("https://app.example.com", None, "app.example.com"),
        ("https://app.example.com, https://example.com:8443", "example.com", "example.com"),
        ("http://localhost:3000,http://localhost", None, "localhost"),
        ("https://example.co.uk,https://www.example.co.uk", None, "example.co.uk"),
    ],
)
def test_pages_that_may_use_passkeys(
    environment: pytest.MonkeyPatch, origins: str, domain: str | None, bound_to: str
) -> None:
    assert AuthSettings.load().relying_party is None, "off, unless it is said"
    environment.setenv("AUTH_PASSKEY_ORIGINS", origins)
    if domain is not None:
        environment.setenv("AUTH_PASSKEY_DOMAIN", domain)
    party = AuthSettings.load().relying_party
    assert party is not None
    assert (party.id, party.name) == (bound_to, "Orion")
    assert party.origins == set(origins.replace(" ", "").split(","))
