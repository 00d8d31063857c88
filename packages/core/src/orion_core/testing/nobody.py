"""A service that is away."""

import httpx


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody is there", request=request)


def client_of_nobody() -> httpx.AsyncClient:
    """A client whom nobody answers, and which reads no certificates beforehand: those take 20 ms in every test."""
    return httpx.AsyncClient(transport=httpx.MockTransport(_refuse))
