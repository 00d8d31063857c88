"""A user whom auth shuts out is shown as such, until auth lets them in again."""

from typing import TYPE_CHECKING

import pytest

from orion_contracts.events import EmailVerified, IdentityReinstated, IdentitySuspended
from orion_core.ids import uuid7
from orion_user.users.rules import UserStatus, status_once_reinstated, status_once_suspended

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query


@pytest.mark.parametrize(("is_verified", "after"), [(True, "ACTIVE"), (False, "PENDING")])
async def test_a_suspension_comes_and_goes(auth: "AuthFeed", query: "Query", is_verified: bool, after: str) -> None:
    user_id = await auth.register()
    if is_verified:
        await auth.bring(EmailVerified(user_id=user_id, email="ada@example.com", verified_at=auth.clock()))
    await auth.bring(IdentitySuspended(user_id=user_id, suspended_at=auth.clock()))
    assert await query("SELECT status::text FROM users") == [("SUSPENDED",)]
    await auth.bring(IdentityReinstated(user_id=user_id, reinstated_at=auth.clock()))
    assert await query("SELECT status::text FROM users") == [(after,)]


async def test_suspensions_of_nobody_are_passed_over(auth: "AuthFeed", query: "Query") -> None:
    nobody = uuid7()
    await auth.bring(
        IdentitySuspended(user_id=nobody, suspended_at=auth.clock()),
        IdentityReinstated(user_id=nobody, reinstated_at=auth.clock()),
    )
    assert await query("SELECT count(*) FROM users") == [(0,)]


def test_whoever_is_deleted_stays_so_and_whoever_is_not_suspended_is_not_changed() -> None:
    assert status_once_suspended(UserStatus.DELETED) is UserStatus.DELETED
    for status in (UserStatus.DELETED, UserStatus.PENDING, UserStatus.ACTIVE):
        assert status_once_reinstated(status, is_verified=True) is status
