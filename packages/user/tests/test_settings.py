"""What user refuses to start with."""

import pytest

from orion_core.sealing import Keyring
from orion_core.settings import SettingsError
from orion_user.settings import UserSettings

PAGE = "https://app.example.com/invitations"


@pytest.mark.parametrize(
    ("where", "page", "works"),
    [
        ("development", None, True),
        ("production", None, False),
        ("production", PAGE.replace("https", "http"), False),
        ("production", PAGE, True),
    ],
)
def test_in_production_invitations_lead_to_an_encrypted_page(
    where: str, page: str | None, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = {
        "ORION_ENV": where,
        "USER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "USER_SEALING_KEYS": Keyring.new_key("k1"),
        "USER_EVENT_SEALING_KEYS": Keyring.new_key("k1"),
        "USER_SERVICE_KEY": "key",
        "AUTH_URL": "https://auth.example.com",
    }
    for name, value in (needed | ({} if page is None else {"USER_INVITATION_URL": page})).items():
        monkeypatch.setenv(name, value)
    if works:
        assert UserSettings.load().before_invitation_token.startswith(
            page or "http://127.0.0.1:7102/user/v1/invitation-links/"
        )
    else:
        with pytest.raises(SettingsError, match=r"USER_INVITATION_URL is wrong: .*must begin with https://"):
            UserSettings.load()
