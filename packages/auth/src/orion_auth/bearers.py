"""Who sends a request that may begin a session, as far as the request tells."""

from hashlib import sha256
from typing import Annotated

from fastapi import Request, Response
from pydantic import Field, StrictBool, StringConstraints

from orion_auth.tokens.actions import Bearer
from orion_auth.user_agents import describe
from orion_core.http.context import RequestContext
from orion_core.http.shapes import RequestShape

DEVICE_COOKIE = "orion_device"
"""Carries a device's secret where the client is a browser; scripts cannot read it."""

PROOF = "orion.proof"
"""Where a request that may begin a session has its proof of a key, once it was found good."""

_TRAITS = ("accept-language", "sec-ch-ua-platform", "sec-ch-ua-mobile", "sec-ch-ua-model")
_LONGEST_SECRET = 128


DeviceId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
"""The client's own stable name for the device it runs on."""

DeviceSecret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{32,128}$")]
"""What was given to a device when it was trusted."""


class DeviceShown(RequestShape):
    """What a client says of the device it runs on. Without a `device_id` every sign-in is one from a new device."""

    device_id: DeviceId | None = Field(
        None,
        examples=["6f1c9f0e-laptop"],
        description="Made by the client once, kept, and sent each time. Without it every sign-in is from a new device, "
        "of which the owner gets a mail, and which cannot be trusted.",
    )
    device_secret: DeviceSecret | None = Field(None, repr=False)
    """Proves a trusted device; browsers send it by themselves, as a cookie."""
    fingerprint: str | None = Field(None, max_length=256)
    """What the client can tell of the device; hashed with what its headers say, and never trusted alone."""


class SigningIn(DeviceShown):
    """What every way in takes beside its proof."""

    remember: StrictBool = True
    """Whether this device is one's own; false, as on a computer that others use: a short session."""


def bearer_of(request: Request, shown: DeviceShown | None = None) -> Bearer:
    """Who sends this request; `shown` is what its body says of the device it runs on."""
    context: RequestContext = request.scope["orion.context"]
    cookie = request.cookies.get(DEVICE_COOKIE, "")[:_LONGEST_SECRET] or None
    return Bearer(
        context.ip_address,
        context.user_agent,
        shown.device_id if shown else None,
        request.scope.get(PROOF),
        device_secret=(shown.device_secret if shown else None) or cookie,
        fingerprint=_fingerprint(request, context.user_agent, shown.fingerprint if shown else None),
    )


def give_device_secret(response: Response, secret: str, seconds: int) -> None:
    """Have a browser keep the secret of the device that it runs on, and send it along whenever somebody signs in."""
    response.set_cookie(
        DEVICE_COOKIE, secret, max_age=seconds, path="/auth/v1", secure=True, httponly=True, samesite="strict"
    )


def _fingerprint(request: Request, user_agent: str | None, of_client: str | None) -> str:
    """SHA-256 of the traits a client shows; versions are left out, since they change by themselves."""
    client = describe(user_agent)
    traits = [client.type.value, client.os, client.browser, client.model, of_client]
    traits += [request.headers.get(name) for name in _TRAITS]
    return sha256("\n".join(trait or "" for trait in traits).encode()).hexdigest()
