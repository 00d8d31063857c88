"""What is shown of a user to others."""

from collections.abc import Mapping
from typing import Any

OPEN = ("id", "username", "name", "avatar_url", "bio", "website")
"""What everybody sees who finds the profile."""

GUARDED = {
    "shows_email": "email",
    "shows_phone": "phone",
    "shows_location": "location",
    "shows_social_links": "social_links",
    "shows_last_active": "last_active_at",
}
"""Which choice of the owner opens which field."""


def shown(user: Mapping[str, Any], privacy: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that others see; those that the owner keeps to himself are left out."""
    return {name: user[name] for name in (*OPEN, *(field for choice, field in GUARDED.items() if privacy[choice]))}
