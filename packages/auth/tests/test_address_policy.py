"""Domains that are refused, and domains that take no mail, asked of a real name server on this machine."""

import asyncio
import socket
from collections.abc import Generator
from threading import Thread

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from orion_auth import address_policy
from orion_auth.address_policy import AddressPolicy, read_domains
from orion_core.errors import Problem

ZONE = {"mail.example.": "10 mx.mail.example.", "null.example.": "0 ."}


@pytest.fixture
def resolver() -> Generator[dns.resolver.Resolver]:
    """Asks a server of ours, which knows two domains and answers NXDOMAIN for all others."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    thread = Thread(target=_serve, args=(server,))
    thread.start()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], server.getsockname()[1], 2
    yield resolver
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", server.getsockname())
    thread.join()
    server.close()


def _serve(server: socket.socket) -> None:
    while True:
        packet, client = server.recvfrom(4096)
        if not packet:
            return
        query = dns.message.from_wire(packet)
        name, kind = query.question[0].name, query.question[0].rdtype
        if name.to_text() == "silent.example.":
            continue
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        record = ZONE.get(name.to_text())
        if record is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif kind == dns.rdatatype.MX:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", record))
        server.sendto(answer.to_wire(), client)


async def refusal(policy: AddressPolicy, email: str) -> str | None:
    try:
        await policy.check(email)
    except Problem as problem:
        return problem.errors[0].code
    return None


async def test_a_refused_domain_is_refused_with_all_below_it() -> None:
    policy = AddressPolicy(read_domains(["# thrown away", "", "Trash.example.  # really"]))
    assert await refusal(policy, "ada@trash.example") == "domain_refused"
    assert await refusal(policy, "ada@deep.down.trash.example") == "domain_refused"
    assert await refusal(policy, "ada@nottrash.example") is None
    assert await refusal(policy, "trash.example@example.com") is None


async def test_a_domain_must_take_mail_where_that_is_asked(resolver: dns.resolver.Resolver) -> None:
    policy = AddressPolicy(resolver=resolver)
    assert await refusal(policy, "ada@mail.example") is None
    assert await refusal(policy, "ada@null.example") == "domain_without_mail"
    assert await refusal(policy, "ada@unheard-of.example") == "domain_without_mail"


async def test_a_name_server_that_is_silent_keeps_nobody_out(resolver: dns.resolver.Resolver) -> None:
    resolver.lifetime = 0.3
    policy = AddressPolicy(resolver=resolver)
    answers = await asyncio.gather(*(refusal(policy, "ada@silent.example") for _ in range(3)))
    assert answers == [None] * 3


async def test_silent_name_servers_keep_no_thread_from_others_and_nobody_waiting_for_long(
    resolver: dns.resolver.Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has such domains registers addresses of many of them."""
    monkeypatch.setattr(address_policy, "PATIENCE_SECONDS", 0.3)
    policy, loop = AddressPolicy(resolver=resolver), asyncio.get_running_loop()
    began = loop.time()
    asked = asyncio.gather(*(refusal(policy, "ada@silent.example") for _ in range(60)))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(int)
    assert loop.time() - began < 0.25, "files are read, and names are looked up, by the same threads"
    assert await asked == [None] * 60
    assert loop.time() - began < 1.5
