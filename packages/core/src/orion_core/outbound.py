"""Connections to addresses that somebody has named: to the public internet only, unless more was allowed.

An address that an administrator, or somebody else's document, names is not to make us ask our own network for things
(server-side request forgery). So names are resolved here, every address is looked at, and the connection is made to
the very address that was looked at; a name that points elsewhere a moment later changes nothing.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from functools import cache
from ipaddress import ip_address
from typing import cast

import httpcore
import httpx

from orion_core.networks import is_near, may_be_reached


class ForbiddenAddressError(Exception):
    """The host has an address that may not be reached."""


async def look_up(host: str, port: int) -> list[str]:
    """What a host's name leads to at this moment; OSError when that is nowhere, or when it can be no name."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # an empty label, or one of more than 63 characters
        raise OSError(f"{host} cannot be the name of a host") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def addresses(host: str, port: int, *, local: bool, in_clear: bool = False) -> list[str]:
    """The addresses of a host, all of which may be reached: else ForbiddenAddressError. OSError when there is none.

    `in_clear`: nothing is encrypted on the way, so all of them must be near.
    """
    reachable = await look_up(host, port)
    found = [ip_address(address) for address in reachable]
    if not all(may_be_reached(address, local=local) for address in found):
        raise ForbiddenAddressError(f"{host} has an address that is not public")
    if in_clear and not all(is_near(address) for address in found):
        raise ForbiddenAddressError(f"{host} has a public address, where nothing is sent unencrypted")
    return reachable


async def open_connection(
    host: str, port: int, context: ssl.SSLContext | None, *, local: bool, timeout: float
) -> asyncio.StreamWriter:
    """What to write to: over TLS under the host's name, by `context`, or without one in clear, to near addresses alone.

    ForbiddenAddressError before any address is tried; OSError, or TimeoutError, when no connection comes about.
    """
    reachable = await addresses(host, port, local=local, in_clear=context is None)
    name = None if context is None else host
    failure = OSError(f"{host} has no address")
    for address in reachable:
        try:
            async with asyncio.timeout(timeout / len(reachable)):  # one where nobody answers leaves some for the others
                return (await asyncio.open_connection(address, port, ssl=context, server_hostname=name))[1]
        except OSError as error:
            failure = error
    raise failure


async def open_socket(reachable: Iterable[str], port: int, *, timeout: float) -> socket.socket:
    """A connection to the first of these addresses that takes one, in `timeout` seconds each; OSError if none does."""
    failure = OSError("there is no address")
    for address in reachable:
        opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        opened.setblocking(False)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(opened, (address, port))
        except OSError as error:  # TimeoutError is one
            opened.close()
            failure = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise failure


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to the addresses of a host that may be reached, one after the other.

    `in_clear`: for what is not encrypted, which goes to near addresses alone.
    """

    def __init__(self, *, local: bool, in_clear: bool = False) -> None:
        self._local = local
        self._in_clear = in_clear
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The first connection that comes about. ForbiddenAddressError before any is tried.

        Each address has its share of the time: one where nobody answers leaves some for the others.
        """
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        try:
            reachable = await addresses(host, port, local=self._local, in_clear=self._in_clear)
        except OSError as error:
            raise failure from error
        share = None if timeout is None else timeout / len(reachable)
        for address in reachable:
            try:
                return await self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class GuardedTransport(httpx.AsyncBaseTransport):
    """What an `httpx.AsyncClient` sends by that asks nobody but who may be reached. It knows no proxies.

    By http it asks near addresses alone.
    """

    def __init__(self, *, local: bool, http2: bool = False) -> None:
        self._encrypted = _pool(GuardedNetwork(local=local), http2=http2)
        self._in_clear = _pool(GuardedNetwork(local=local, in_clear=True))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; ForbiddenAddressError, or httpx.TransportError."""
        url = request.url
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            answer = await (self._encrypted if url.scheme == "https" else self._in_clear).handle_async_request(sent)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            # By the same name: whether a connection came about tells whether anything can have been heard.
            kind = getattr(httpx, type(error).__name__, httpx.TransportError)
            raise kind(f"{type(error).__name__} {error}".strip()) from error
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._encrypted.aclose()
        await self._in_clear.aclose()


@cache
def trusting_the_system() -> ssl.SSLContext:
    """What a server's certificate is judged by. Reading all that the system trusts takes 20 ms, so it is read once."""
    return ssl.create_default_context()


def _pool(network: GuardedNetwork, *, http2: bool = False) -> httpcore.AsyncConnectionPool:
    return httpcore.AsyncConnectionPool(
        http2=http2,
        ssl_context=trusting_the_system(),
        max_connections=50,
        max_keepalive_connections=10,
        keepalive_expiry=30,
        network_backend=network,
    )


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._answer.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._answer.aclose()
