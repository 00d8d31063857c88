"""What every event of Orion is: its CloudEvent's type and subject, and plain JSON data."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Event(BaseModel, ABC):
    """Something that has happened. Immutable; `type` and `subject` are those of its CloudEvent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]

    @property
    @abstractmethod
    def subject(self) -> str:
        """What the event is about: the id of one user, session or notification."""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """The event from a CloudEvent's `data`; raises `pydantic.ValidationError` when it breaks the contract."""
        return cls.model_validate(data)

    def data(self) -> dict[str, Any]:
        """The event as a CloudEvent's `data`: plain JSON values, absent fields left out."""
        return self.model_dump(mode="json", exclude_none=True)


class UserEvent(Event):
    """An event about one user."""

    user_id: UUID

    @property
    def subject(self) -> str:
        """The user's id."""
        return str(self.user_id)


class SessionEvent(Event):
    """An event about one session; its id is auth's session id (`sid` in access tokens), which is no secret."""

    session_id: UUID
    user_id: UUID

    @property
    def subject(self) -> str:
        """The session's id."""
        return str(self.session_id)
