"""What users see of each other is what each lets be seen."""

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_core.ids import uuid7
from orion_user.preferences.documents import PrivacyPreferences
from orion_user.profiles.rules import GUARDED, OPEN, shown

if TYPE_CHECKING:
    from packages.user.tests.conftest import Changed, People, Query


async def test_what_is_kept_back_is_not_shown(people: "People", changed: "Changed") -> None:
    ada, eve = await people.add("ada@example.com", name="Ada"), await people.add("eve@example.com")
    mine, others = people.client(ada), people.client(eve)
    await changed(mine, "/user/v1/me", {"location": "London", "social_links": {"github": "https://github.com/ada"}})
    found = (await others.get(f"/user/v1/profiles/{ada}")).json()
    assert (found["name"], found["email"], found["location"]) == ("Ada", None, "London")
    await changed(mine, "/user/v1/me/preferences/privacy", {"shows_email": True, "shows_location": False})
    found = (await others.get(f"/user/v1/profiles/{ada}")).json()
    assert (found["email"], found["location"]) == ("ada@example.com", None)
    await changed(mine, "/user/v1/me/preferences/privacy", {"visibility": "NOBODY"})
    hidden = await others.get(f"/user/v1/profiles/{ada}")
    nobody = await others.get(f"/user/v1/profiles/{uuid7()}")
    assert hidden.status_code == nobody.status_code == 404
    assert hidden.json()["detail"] == nobody.json()["detail"]


@pytest.mark.parametrize("status", ["PENDING", "SUSPENDED"])
async def test_only_active_users_have_one(people: "People", query: "Query", status: str) -> None:
    ada, eve = await people.add("ada@example.com"), await people.add("eve@example.com")
    await query("UPDATE users SET status = CAST(:status AS user_status) WHERE id = :id", status=status, id=ada)
    assert (await people.client(eve).get(f"/user/v1/profiles/{ada}")).status_code == 404


@given(st.builds(PrivacyPreferences, **{choice: st.booleans() for choice in GUARDED}))
def test_a_guarded_field_is_shown_if_and_only_if_its_owner_says_so(privacy: PrivacyPreferences) -> None:
    user: dict[str, Any] = {name: name for name in (*OPEN, *GUARDED.values(), "metadata", "login_count")}
    opened = {field for choice, field in GUARDED.items() if privacy.model_dump()[choice]}
    assert set(shown(user, privacy.model_dump())) == {*OPEN, *opened}


def test_every_choice_of_privacy_guards_something() -> None:
    choices = set(PrivacyPreferences.model_fields) - {"visibility"}
    assert choices == set(GUARDED)
    assert not [pair for pair in product(OPEN, GUARDED.values()) if pair[0] == pair[1]]
