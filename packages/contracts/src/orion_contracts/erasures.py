"""What services tell of the erasure of a person. None of it holds anything of what was erased."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from orion_contracts.event import UserEvent
from orion_contracts.types import AwareDatetime

Counts = dict[Annotated[str, Field(max_length=63)], Annotated[int, Field(ge=0)]]
"""How many rows of each table were deleted or emptied."""


class IdentityErased(UserEvent):
    """auth: nothing tells of the user here any more, and nothing that comes behind this will."""

    type: ClassVar[str] = "orion.auth.identity.erased.v1"

    erasure_id: UUID
    counts: Counts
    erased_at: AwareDatetime


class MessagesErased(UserEvent):
    """notifications: no message tells of the user any more."""

    type: ClassVar[str] = "orion.notifications.messages.erased.v1"

    erasure_id: UUID
    counts: Counts
    erased_at: AwareDatetime
