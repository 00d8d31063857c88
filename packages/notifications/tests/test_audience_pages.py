"""Asking user who is meant: again when it does not answer, not again when it says that there is no such audience."""

from collections.abc import Sequence
from uuid import UUID

import httpx
import pytest

from orion_contracts.audiences import Audience
from orion_core.ids import uuid7
from orion_notifications import audience_pages
from orion_notifications.audience_pages import AudiencePages, AudienceRefusedError, AudienceUnknownError

Answer = httpx.Response | httpx.TransportError


class Tokens:
    """The service's own tokens, as far as a test sees them."""

    def __init__(self) -> None:
        self.forgotten = 0

    async def headers(self, method: str, url: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {method} {url} {self.forgotten}"}

    def forget(self) -> None:
        self.forgotten += 1


class User:
    """User, which answers what it was told to, one after the other, and the last for good."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer


def pages_of(user: User) -> AudiencePages:
    return AudiencePages(httpx.AsyncClient(transport=httpx.MockTransport(user)), "http://user", Tokens())


def page(found: Sequence[UUID], following: UUID | None = None) -> httpx.Response:
    body = {"user_ids": [str(each) for each in found], "next": following and str(following)}
    return httpx.Response(200, json=body)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_pages, "PAUSES", (0, 0))


async def test_it_is_asked_again_after_a_timeout_a_fault_and_a_token_that_was_refused() -> None:
    ada = uuid7()
    user = User(httpx.ReadTimeout("slow"), httpx.Response(401), page([ada], ada))
    read = await pages_of(user).read(Audience(role="admin", scope="GLOBAL"), None)
    assert (read.user_ids, read.next) == ([ada], ada)
    assert user.asked[-1].headers["authorization"] == "Bearer POST http://user/user/v1/audience-pages 1"
    assert user.asked[-1].content == b'{"audience":{"role":"admin","scope":"GLOBAL"},"after":null}'
    user = User(httpx.Response(503), httpx.ConnectError("away"), httpx.Response(200, json={"users": []}), page([]))
    with pytest.raises(AudienceUnknownError, match="HTTP 200"):
        await pages_of(user).read(Audience(tag="beta"), ada)
    assert len(user.asked) == 3


async def test_what_user_refuses_is_not_asked_again_and_told_in_its_words() -> None:
    problem = {"code": "role_not_found", "detail": "There is no role x."}
    user = User(httpx.Response(404, json=problem))
    with pytest.raises(AudienceRefusedError, match="There is no role x") as refused:
        await pages_of(user).read(Audience(role="x"), None)
    assert (refused.value.code, len(user.asked)) == ("role_not_found", 1)
    with pytest.raises(AudienceUnknownError, match="HTTP 404"):  # a proxy's, not user's
        await pages_of(User(httpx.Response(404, text="not here"))).read(Audience(role="x"), None)
