"""What a service's OpenAPI document says of every route: how its caller is known, and how it refuses."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.security import HTTPBearer

from orion_core.errors import FieldError, ProblemDetails
from orion_core.http.problems import MEDIA_TYPE

BEARER = HTTPBearer(
    scheme_name="access_token",
    bearerFormat="JWT",
    description="An access token of auth (RFC 9068); sent as `DPoP` with a proof when it is bound to a key (RFC 9449).",
    auto_error=False,  # refusing is the Authenticator's work; this one is for the document
)

OF_ALL = (HTTPStatus.SERVICE_UNAVAILABLE,)
"""The database may be away; of what is asked about the process itself, it is not asked."""
OF_SECURED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
"""The last: an API key may have used up its own limit, of which user and notifications tell on any route."""
OF_PARAMETERS = (HTTPStatus.BAD_REQUEST,)
"""A NUL in the URL, a cursor of another listing."""
OF_BODIES = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
REFERENCE = {"$ref": "#/components/schemas/ProblemDetails"}


def refusals(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route that refuses with these statuses."""
    return {int(status): _refusal(status.phrase) for status in statuses}


def describe(application: FastAPI) -> None:
    """Have the document of the application tell how each operation refuses: with problem details."""
    from_routes = application.openapi

    def openapi() -> dict[str, Any]:
        if application.openapi_schema is None:
            _complete(from_routes())
        return application.openapi_schema or {}

    application.openapi = openapi


def _complete(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            _describe(operation)
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in (FieldError, ProblemDetails):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas[model.__name__].pop("$defs", None)


def _describe(operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    if (invalid := responses.get(str(HTTPStatus.UNPROCESSABLE_ENTITY.value))) is not None:
        _describe_invalid(invalid)
    further = [
        *(OF_ALL if "operations" not in operation.get("tags", []) else ()),
        *(OF_SECURED if "security" in operation else ()),
        *(OF_PARAMETERS if operation.get("parameters") else ()),
        *(OF_BODIES if "requestBody" in operation else ()),
    ]
    documented = _named(further) | responses | {"default": _refusal("Any other refusal or failure")}
    operation["responses"] = {status: documented[status] for status in sorted(documented)}


def _describe_invalid(response: dict[str, Any]) -> None:
    """Wrong fields are told as a problem, whatever FastAPI says of it; a route may answer with a page besides."""
    content: dict[str, Any] = response.setdefault("content", {})
    if "HTTPValidationError" in str(content.get("application/json")):
        del content["application/json"]
        response["description"] = HTTPStatus.UNPROCESSABLE_ENTITY.phrase
    content |= _refusal("")["content"]


def _named(statuses: Iterable[HTTPStatus]) -> dict[str, dict[str, Any]]:
    return {str(status): response for status, response in refusals(*statuses).items()}


def _refusal(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": REFERENCE}}}
