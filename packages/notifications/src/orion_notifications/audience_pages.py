"""Who is meant by a role, an organization or a tag: asked of user, a page at a time."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from uuid import UUID

import httpx
from pydantic import ValidationError

from orion_contracts.audiences import Audience, AudiencePage
from orion_core.service_token import Tokens

TIMEOUT = httpx.Timeout(5.0, read=10.0)
PAUSES = (0.2, 1.0)
"""Seconds before it is asked again."""


class AudienceRefusedError(Exception):
    """User says that there is no such audience: asking again would not help. Its words, and its `code`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class AudienceUnknownError(Exception):
    """User could not be asked, in spite of trying again; what kept it from answering."""


class AudiencePages:
    """The audiences of the user service at `user_url`; `tokens` are this service's own, for `audiences:read`."""

    def __init__(self, http: httpx.AsyncClient, user_url: str, tokens: Tokens) -> None:
        self._http = http
        self._url = f"{user_url}/user/v1/audience-pages"
        self._tokens = tokens

    async def read(self, audience: Audience, after: UUID | None) -> AudiencePage:
        """The page after `next` of another one; raises `AudienceRefusedError` and `AudienceUnknownError`."""
        body = {"audience": audience.model_dump(mode="json", exclude_none=True), "after": after and str(after)}
        for pause in PAUSES:
            try:
                return await self._ask(body)
            except AudienceUnknownError:
                await asyncio.sleep(pause)
        return await self._ask(body)

    async def _ask(self, body: Mapping[str, object]) -> AudiencePage:
        try:
            headers = await self._tokens.headers("POST", self._url)
            answer = await self._http.post(self._url, json=body, headers=headers, timeout=TIMEOUT)
        except (httpx.HTTPError, ValueError, KeyError) as error:  # the last two: what auth gave is no token
            raise AudienceUnknownError(f"user could not be asked who is meant ({type(error).__name__})") from error
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._tokens.forget()
        if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise _refused(answer)
        try:
            return AudiencePage.model_validate_json(answer.raise_for_status().content)
        except (httpx.HTTPStatusError, ValidationError) as error:
            raise AudienceUnknownError(f"user did not say who is meant (HTTP {answer.status_code})") from error


def _refused(answer: httpx.Response) -> Exception:
    """What a refusal says; an answer that is none (a proxy's 404) says nothing of audiences."""
    try:
        problem = answer.json()
        return AudienceRefusedError(problem["code"], problem["detail"])
    except (ValueError, KeyError, TypeError):
        return AudienceUnknownError(f"user did not say who is meant (HTTP {answer.status_code})")
