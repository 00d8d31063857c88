"""What somebody may hand on."""

from collections.abc import Collection, Iterable

from orion_user.access.rules import Grant, Place
from orion_user.permissions.rules import PermissionEffect


def not_held(wanted: Collection[str], grants: Iterable[Grant], place: Place) -> list[str]:
    """Which of these permissions do not surely hold in the whole of `place`, by what is allowed and denied.

    A condition is no sure thing, so what is allowed under one is not held; and a denial that reaches into the place
    counts, under a condition too, since whoever is given the permission would not be denied there.
    """
    everything = list(grants)
    return sorted(permission for permission in set(wanted) if not _holds(permission, everything, place))


def _holds(permission: str, grants: Iterable[Grant], place: Place) -> bool:
    of_permission = [grant for grant in grants if grant.permission == permission]
    denied = any(
        grant.effect is PermissionEffect.DENY and (grant.place.covers(place) or place.covers(grant.place))
        for grant in of_permission
    )
    allowed = any(
        grant.effect is PermissionEffect.ALLOW and not grant.conditional and grant.place.covers(place)
        for grant in of_permission
    )
    return allowed and not denied
