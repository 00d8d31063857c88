"""User, as far as other services ask it for rights."""

from collections import defaultdict
from uuid import UUID

import httpx

from orion_core.ids import uuid7

PATH = "/user/v1/access/rights/"


class UserRights:
    """Answers with what a test has granted; to all else nobody answers."""

    def __init__(self) -> None:
        self.granted: defaultdict[UUID, dict[str, bool]] = defaultdict(dict[str, bool])
        """By user: the permission, and whether it is denied."""
        self.conditions: tuple[str, ...] = ()
        self.is_away = False
        self.asked = 0

    def client(self) -> httpx.AsyncClient:
        """A client that it answers."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.is_away or not request.url.path.startswith(PATH):
            raise httpx.ConnectError("nobody answers")
        self.asked += 1
        user_id = UUID(request.url.path.removeprefix(PATH))
        granted = self.granted[user_id]
        version = f"v{hash(tuple(granted.items()))}"
        if request.headers.get("if-none-match") == f'"{version}"':
            return httpx.Response(304)
        grounds = [self._ground(name, denies) for name, denies in granted.items()]
        document = {"subject_id": str(user_id), "version": version, "is_active": True, "grounds": grounds}
        return httpx.Response(200, json=document)

    def _ground(self, permission: str, denies: bool) -> dict[str, object]:
        nowhere = dict.fromkeys(("scope_id", "role", "through", "expires_at"))
        said = {"permission": permission, "denies": denies, "scope": "GLOBAL", "starts_at": "2020-01-01T00:00:00Z"}
        return {"id": str(uuid7()), "conditions": self.conditions, **said, **nowhere}
