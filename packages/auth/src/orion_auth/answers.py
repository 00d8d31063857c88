"""What every way in answers: a session, or the demand for a second factor."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from orion_auth.bearers import give_device_secret
from orion_auth.sessions.actions import Grant
from orion_auth.sessions.shapes import SessionGranted
from orion_auth.two_factor.actions import Challenged
from orion_auth.two_factor.shapes import SecondFactorNeeded

SECOND_FACTOR_NEEDED: dict[int | str, dict[str, Any]] = {
    202: {"model": SecondFactorNeeded, "description": "Nothing has begun yet: show a second factor"}
}
"""What a way in documents beside its session."""


def admitted(outcome: Grant | Challenged, now: datetime) -> Response:
    """201 for a session that has begun, 202 for one that lacks a second factor."""
    if isinstance(outcome, Challenged):
        needed = SecondFactorNeeded(
            challenge=outcome.challenge,
            methods=[method.value for method in outcome.methods],
            expires_in=int((outcome.expires_at - now).total_seconds()),
            must_enrol=outcome.must_enrol,
        )
        return JSONResponse(needed.model_dump(mode="json"), HTTPStatus.ACCEPTED, _headers(outcome))
    trust = outcome.trust
    granted = SessionGranted(
        access_token=outcome.access_token.text,
        token_type=outcome.access_token.token_type,
        expires_in=outcome.access_token.expires_in,
        refresh_token=outcome.refresh_token,
        refresh_expires_in=int((outcome.expires_at - now).total_seconds()),
        session_id=outcome.session_id,
        user_id=outcome.user_id,
        device_secret=trust.secret if trust else None,
        trusted_until=trust.expires_at if trust else None,
    )
    response = JSONResponse(granted.model_dump(mode="json"), HTTPStatus.CREATED, _headers(outcome))
    if trust is not None:
        give_device_secret(response, trust.secret, int((trust.expires_at - now).total_seconds()))
    return response


def _headers(outcome: Grant | Challenged) -> dict[str, str] | None:
    return outcome.limit.headers() if outcome.limit else None
