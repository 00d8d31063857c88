"""Waiting until what was started can work."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import httpx

READY_SECONDS = 60.0
INTERVAL_SECONDS = 0.1
FRUITLESS_STARTS = 5

REVOCATIONS = "auth revocations"
"""The fault of a service that answers and takes no token yet (`orion_core.auth_client`)."""


class NotReady(Exception):
    """Something did not become ready; the message says what, and what it answered last."""


async def wait_until_ready(urls: Mapping[str, str], restarts: Callable[[], Mapping[str, int]]) -> None:
    """Return when every URL answers 200, and no service refuses all tokens because it has not heard of revocations.

    Raises NotReady after a minute, or when one keeps dying.
    """
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        waits = [asyncio.create_task(_wait_for_one(http, name, url, restarts)) for name, url in urls.items()]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()


async def _wait_for_one(
    http: httpx.AsyncClient, name: str, url: str, restarts: Callable[[], Mapping[str, int]]
) -> None:
    answer = "no answer"
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_SECONDS):
            while restarts().get(name, 0) < FRUITLESS_STARTS:
                answer = await _ask(http, url)
                if not answer:
                    return
                await asyncio.sleep(INTERVAL_SECONDS)
            raise NotReady(f"{name} ended {FRUITLESS_STARTS} times before it was ready. Its last lines above say why.")
    raise NotReady(f"{name} is not ready after {READY_SECONDS:.0f} s: {url} gave {answer}.")


async def _ask(http: httpx.AsyncClient, url: str) -> str:
    """What was answered instead of being ready; "" when it is."""
    try:
        response = await http.get(url)
    except httpx.TransportError as error:
        return type(error).__name__
    is_ready = response.is_success and f'"{REVOCATIONS}"' not in response.text
    return "" if is_ready else f"{response.status_code} {response.text[:300]}"
