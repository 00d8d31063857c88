"""Who outdoes whom is decided twice: in user, which knows what lies in what, and elsewhere by rights it was asked for.

Whoever is let do something to another one elsewhere must be one who may do it in user.
"""

from datetime import UTC, datetime

from hypothesis import event, given
from packages.user.tests.access.test_rules import GRANTS

from orion_core.ids import uuid7
from orion_core.rights.decider import Rights
from orion_core.rights.decisions import Ground, by_permission
from orion_user.access.rules import Grant, effective_permissions, may_as_much
from orion_user.permissions.rules import PermissionEffect

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rights(said: list[Grant]) -> Rights:
    """What user tells others of the same."""
    user_id = uuid7()
    grounds = [
        Ground(
            id=uuid7(),
            user_id=user_id,
            permission=each.permission,
            denies=each.effect is PermissionEffect.DENY,
            conditions=("false",) if each.conditional else (),
            scope=each.place.scope.name,
            scope_id=each.place.id,
            role=None,
            through=None,
            starts_at=NOW,
            expires_at=None,
        )
        for each in said
    ]
    return Rights(user_id, "v", is_active=True, grounds=by_permission(grounds))


@given(mine=GRANTS, theirs=GRANTS)
def test_nobody_outdoes_elsewhere_whom_he_does_not_outdo_in_user(mine: list[Grant], theirs: list[Grant]) -> None:
    if rights(mine).cover(rights(theirs), NOW):
        event("covers something" if theirs else "covers nothing")
        assert may_as_much(effective_permissions(mine), effective_permissions(theirs))
