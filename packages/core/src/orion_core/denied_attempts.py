"""Attempts that were denied, in the audit trail of a service that tells it by its outbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from orion_contracts.audit import AuditRecorded
from orion_contracts.claims import AccessClaims
from orion_core import audit_trail
from orion_core.audit_trail import Entry
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.http.authentication import InsufficientScopeError
from orion_core.http.problems import problem_response
from orion_core.rights.denials import SeenDenials

log = structlog.get_logger()


@dataclass(frozen=True)
class DeniedAttempts:
    """Writes them down, but for what a flood of them repeats (`SeenDenials`)."""

    database: Database
    contract: type[AuditRecorded]
    clock: Clock
    seen: SeenDenials = field(default_factory=SeenDenials)

    async def write(self, claims: AccessClaims, lacking: Literal["permission", "scope"], name: str) -> None:
        """A denial that cannot be written changes no answer: who is denied is denied."""
        now = self.clock()
        left_out = self.seen.admit((claims.client_id, claims.sub), (lacking, name), now)
        if left_out is None:
            return
        new: Mapping[str, Any] = {lacking: name, **left_out}
        entry = Entry("access.denied", lacking, name, new=new, is_denied=True)
        try:
            async with self.database.transaction() as transaction:
                await audit_trail.record(transaction, self.contract, entry, now)
        except (SQLAlchemyError, OSError) as error:
            log.warning("audit.denial_not_written", reason=type(error).__name__)

    def write_down_scopes(self, application: FastAPI) -> FastAPI:
        """Answer whoever's token lacks a scope as always, and have it stand in the trail."""

        async def denied(request: Request, error: Exception) -> Response:
            assert isinstance(error, InsufficientScopeError)
            await self.write(error.claims, "scope", error.scope)
            return problem_response(error, request.scope["orion.context"].request_id)

        application.add_exception_handler(InsufficientScopeError, denied)
        return application
