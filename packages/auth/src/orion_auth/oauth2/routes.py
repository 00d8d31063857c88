"""`POST /auth/oauth2/token`, `/revoke`, `/introspect`. Answers and errors have RFC 6749's form, as libraries expect."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from orion_auth.components import Components, Wired
from orion_auth.oauth2 import actions
from orion_auth.oauth2.actions import Granted, Wanted
from orion_auth.oauth2.by_api_key import grant_to_api_key, is_api_key
from orion_auth.oauth2.clients import service_of
from orion_auth.oauth2.rules import (
    OPERATOR_SCOPES,
    RESOURCE,
    SERVICE_SCOPES,
    TokenRequestError,
    device_id,
    read_client,
    read_form,
)
from orion_auth.oauth2.shapes import Introspection, ServerMetadata, TokenError, TokenResponse
from orion_auth.tokens.actions import Bearer
from orion_core.dpop import InvalidProofError, proof_missing
from orion_core.errors import Problem
from orion_core.http.context import Context, RequestContext
from orion_core.http.shortcut import Shortcut
from orion_core.signatures import ALGORITHMS

router = APIRouter(prefix="/auth/oauth2", tags=["tokens"])
metadata_router = APIRouter(tags=["tokens"])


def _form(required: list[str], properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    names = ("client_id", "client_secret", "client_assertion_type", "client_assertion")
    client: dict[str, dict[str, Any]] = {name: {"type": "string"} for name in names}
    schema = {"type": "object", "required": required, "properties": properties | client}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


_TOKEN_FORM = _form(
    ["grant_type"],
    {
        "grant_type": {"type": "string", "enum": ["client_credentials", "refresh_token"]},
        "refresh_token": {"type": "string"},
        "scope": {"type": "string"},
        "resource": {"type": "string", "description": "Whom the token is for (RFC 8707), such as urn:orion:user"},
        "device_id": {
            "type": "string",
            "description": "Best sent with every refresh: by it a second try is told from a thief's",
        },
    },
)
_ANY_TOKEN_FORM = _form(["token"], {"token": {"type": "string"}, "token_type_hint": {"type": "string"}})
_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": TokenError} for status in (400, 401, 429)}


@router.post("/token", response_model=TokenResponse, responses=_ERRORS, openapi_extra=_TOKEN_FORM)
async def grant(request: Request, wired: Wired, context: Context) -> Response:
    """Get an access token: for a service key or an API key (client_credentials), or with a refresh token."""
    try:
        form = read_form(request.headers.get("content-type", ""), await request.body())
        granted = await _grant(request, form, wired, context)
    except TokenRequestError as error:
        return _refused(error)
    except InvalidProofError as error:
        return _error(error.code, error.detail, error.status, {})
    except Problem as problem:
        if problem.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise
        # RFC 6749 has no word for this; RFC 8628 §3.5 has.
        return _error("slow_down", problem.detail, problem.status, problem.headers)
    headers = granted.limit.headers() if granted.limit else None
    body = granted.response.model_dump_json(exclude_none=True)
    return Response(body, media_type="application/json", headers=headers)


def shortcut() -> Shortcut:
    """`POST /auth/oauth2/token` past FastAPI, which reads nothing of a form for it: for an application's routes."""

    async def answer(request: Request) -> Response:
        return await grant(request, request.app.state.components, request.scope["orion.context"])

    return Shortcut("POST", f"{router.prefix}/token", answer)


@router.post("/revoke", response_class=Response, responses=_ERRORS, openapi_extra=_ANY_TOKEN_FORM)
async def revoke(request: Request, wired: Wired) -> Response:
    """End the session of a refresh or access token (RFC 7009); 200 too when there is nothing to end.

    400 `unsupported_token_type` for the access token of a service or an API key, which cannot be ended.
    """
    try:
        form = read_form(request.headers.get("content-type", ""), await request.body())
        await actions.revoke(wired.gate, wired.examine_any, form.get("token"), wired.clock())
    except TokenRequestError as error:
        return _refused(error)
    return Response(status_code=HTTPStatus.OK)


@router.post("/introspect", response_model=Introspection, responses=_ERRORS, openapi_extra=_ANY_TOKEN_FORM)
async def introspect(request: Request, wired: Wired) -> JSONResponse:
    """Tell a service what a token is worth to it now (RFC 7662): for others alone (`resource`), it is not active."""
    try:
        form = read_form(request.headers.get("content-type", ""), await request.body())
        authorization = request.headers.get("authorization", "")
        service = await service_of(wired.database, wired.settings, authorization, form, wired.clock())
        told = await actions.introspect(
            wired.database, wired.examine_any, wired.settings.issuer, service, form.get("token"), wired.clock()
        )
    except TokenRequestError as error:
        return _refused(error)
    return JSONResponse(told.model_dump(mode="json", exclude_none=True))


@metadata_router.get("/.well-known/oauth-authorization-server")
async def read_metadata(wired: Wired, response: Response) -> ServerMetadata:
    """What this authorization server can do, and where (RFC 8414)."""
    response.headers["Cache-Control"] = "public, max-age=3600"
    base = wired.settings.link_prefix
    shown = ["client_secret_basic", "client_secret_post"]
    of_services = ["private_key_jwt", *(shown if wired.settings.client_authentication == "any" else ())]
    return ServerMetadata(
        issuer=wired.settings.issuer,
        token_endpoint=f"{base}/auth/oauth2/token",
        revocation_endpoint=f"{base}/auth/oauth2/revoke",
        introspection_endpoint=f"{base}/auth/oauth2/introspect",
        jwks_uri=f"{base}/auth/.well-known/jwks.json",
        grant_types_supported=["client_credentials", "refresh_token"],
        response_types_supported=[],
        scopes_supported=sorted(SERVICE_SCOPES | OPERATOR_SCOPES),
        token_endpoint_auth_methods_supported=["none", "private_key_jwt", *shown],  # API keys are always shown
        revocation_endpoint_auth_methods_supported=["none"],
        introspection_endpoint_auth_methods_supported=of_services,
        token_endpoint_auth_signing_alg_values_supported=list(ALGORITHMS),
        dpop_signing_alg_values_supported=list(ALGORITHMS),
    )


async def _grant(request: Request, form: dict[str, str], wired: Components, context: RequestContext) -> Granted:
    now = wired.clock()
    proof = wired.proofs.read(request, now) if "dpop" in request.headers else None
    if proof is None and wired.binds_all:
        raise proof_missing()
    wanted = Wanted(form.get("scope"), form.get(RESOURCE))
    match form.get("grant_type"):
        case "client_credentials":
            authorization = request.headers.get("authorization", "")
            if "client_assertion" not in form and is_api_key(client := read_client(authorization, form)):
                return await grant_to_api_key(wired.gate, wired.keys, client, wanted, proof, context.ip_address, now)
            service = await service_of(wired.database, wired.settings, authorization, form, now)
            return await actions.grant_to_service(wired.gate, service, wanted, proof, now)
        case "refresh_token":
            bearer = Bearer(context.ip_address, context.user_agent, device_id(form), proof)
            return await actions.grant_by_refresh(
                wired.gate, wired.rotations, form.get("refresh_token"), wanted, bearer, now
            )
        case None:
            raise TokenRequestError("invalid_request", "grant_type is missing.")
        case _:
            raise TokenRequestError("unsupported_grant_type", "Use client_credentials or refresh_token.")


def _refused(error: TokenRequestError) -> JSONResponse:
    if error.error == "invalid_client":
        challenge = {"WWW-Authenticate": 'Basic realm="orion", charset="UTF-8"'}
        return _error(error.error, error.description, 401, challenge)
    return _error(error.error, error.description, 400, {})


def _error(error: str, description: str, status: int, headers: dict[str, str]) -> JSONResponse:
    body = TokenError(error=error, error_description=description)
    return JSONResponse(body.model_dump(), status, headers)
