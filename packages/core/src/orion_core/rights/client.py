"""Rights as they cross a service border, and a source of them for a `Decider` in another service than user.

`GET /user/v1/access/rights/{user_id}` answers with the rights and their version as ETag, or with 304 when that version
is still the present one. So a request costs one round trip, whatever it decides from then on.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Any, Self
from uuid import UUID

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter

from orion_core.rights.decider import Rights
from orion_core.rights.decisions import Ground, by_permission
from orion_core.service_token import Tokens


class GroundFacts(BaseModel):
    """A grant that speaks of a permission, as another service needs it to decide."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: UUID
    permission: str
    denies: bool
    scope: str
    scope_id: UUID | None
    conditions: tuple[str, ...]
    role: str | None
    through: str | None
    starts_at: datetime
    expires_at: datetime | None


_grounds = TypeAdapter(list[GroundFacts])


class RightsDocument(BaseModel):
    """All that was granted to a user and has not ended."""

    model_config = ConfigDict(frozen=True)

    subject_id: UUID
    version: str
    is_active: bool
    grounds: list[GroundFacts]

    @classmethod
    def of(cls, rights: Rights) -> Self:
        """What is sent of rights."""
        every = [ground for group in rights.grounds.values() for ground in group]
        return cls(
            subject_id=rights.subject_id,
            version=rights.version,
            is_active=rights.is_active,
            grounds=_grounds.validate_python(every, from_attributes=True),
        )

    def rights(self) -> Rights:
        """The rights, to decide by."""
        grounds = list[Ground]()
        for each in self.grounds:
            facts: dict[str, Any] = dict(each)
            grounds.append(Ground(user_id=self.subject_id, **facts))
        return Rights(self.subject_id, self.version, self.is_active, by_permission(grounds))


class RightsClient:
    """Asks user for rights; `refresh` is what a `Decider` is made of. `tokens` are those of this service for user."""

    def __init__(self, http: httpx.AsyncClient, user_url: str, tokens: Tokens) -> None:
        self._http = http
        self._url = f"{user_url.rstrip('/')}/user/v1/access/rights"
        self._tokens = tokens

    async def refresh(self, subject_id: UUID, known: str | None) -> Rights | None:
        """The rights of a subject, or None when they are still those of the version `known`.

        Raises httpx.HTTPError when user does not answer well, ValueError when the answer is none: who cannot know must
        not decide.
        """
        url = f"{self._url}/{subject_id}"
        headers = await self._tokens.headers("GET", url)
        if known is not None:
            headers["If-None-Match"] = f'"{known}"'
        answer = await self._http.get(url, headers=headers)
        if answer.status_code == HTTPStatus.NOT_MODIFIED:
            return None
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._tokens.forget()
        return RightsDocument.model_validate_json(answer.raise_for_status().content).rights()
