"""Users as other users see them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from orion_core.http.shapes import ResponseShape


class ProfileShape(ResponseShape):
    """What a user lets others see; what is kept back is null, as if it were not there."""

    id: UUID
    username: str | None
    name: str | None
    avatar_url: str | None
    bio: str | None
    website: str | None
    email: str | None = None
    phone: str | None = None
    location: str | None = None
    social_links: dict[str, Any] | None = None
    last_active_at: datetime | None = None
