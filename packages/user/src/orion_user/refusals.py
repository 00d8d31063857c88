"""Refusals of what somebody may not do although he has the permission: to give, or to do to this one."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from orion_core.errors import Problem


class RefusedError(Problem):
    """403. The attempt stands in the audit trail, with what is told of it here."""

    def __init__(
        self, code: str, title: str, detail: str, *, user_id: UUID | None = None, told: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(403, code, title, detail)
        self.user_id = user_id
        """To whom it was to be done."""
        self.told = {"reason": code, **(told or {})}
