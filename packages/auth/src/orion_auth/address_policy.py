"""Which addresses may be registered: none of domains that nobody keeps, none of domains that take no mail."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
from dns.resolver import Resolver
from email_validator import EmailUndeliverableError
from email_validator.deliverability import caching_resolver, validate_email_deliverability

from orion_core.errors import FieldError, Problem
from orion_core.http.door import leave_door

PATIENCE_SECONDS = 3
"""For the answer about one domain; a name server that is slow keeps nobody from registering."""

_ASKING = ThreadPoolExecutor(8, "name-servers")
"""Threads that do nothing else: who has domains whose servers are silent would keep all others waiting, such as those
that read files. Where all of them wait for such servers, the domains of others are not asked about in time, and taken.
"""

log = structlog.get_logger()


@dataclass(frozen=True)
class AddressPolicy:
    """What is asked of the domain of a new address, whether or not somebody has that address already."""

    refused: frozenset[str] = frozenset()
    """Domains, with all below them, such as those of disposable mailboxes."""
    resolver: Resolver | None = field(default=None, repr=False)
    """Where MX records are asked for; None: nobody is asked."""

    async def check(self, email: str, *, field: str = "/email") -> None:
        """Refuse, by a 422 Problem, an address of a domain that is refused or takes no mail (RFC 5321 §5, RFC 7505)."""
        self.check_domain(email, field=field)
        domain = email.rpartition("@")[2]
        if self.resolver is not None and not await self._takes_mail(domain, self.resolver):
            raise _refused(field, "domain_without_mail", f"{domain} takes no mail; is it spelt right?")

    def check_domain(self, email: str, *, field: str = "/email") -> None:
        """The same of an address that is known to take mail: nobody is asked."""
        if any(parent in self.refused for parent in _and_parents(email.rpartition("@")[2])):
            raise _refused(field, "domain_refused", "Addresses of this domain are not taken; use another one.")

    async def _takes_mail(self, domain: str, resolver: Resolver) -> bool:
        leave_door()  # a name server answers when it likes
        ask = partial(validate_email_deliverability, domain, domain, dns_resolver=resolver)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.get_running_loop().run_in_executor(_ASKING, ask)
        except EmailUndeliverableError:
            return False
        except Exception as error:  # whatever is the matter with the name server is no fault of the address
            log.warning("address_policy.not_asked", reason=type(error).__name__)
        return True


def make_policy(file: Path | None, *, requires_mx: bool) -> AddressPolicy:
    """The policy that the settings say. Raises OSError when the file cannot be read."""
    refused = read_domains(file.read_text(encoding="utf-8").splitlines()) if file else frozenset[str]()
    return AddressPolicy(refused, caching_resolver(timeout=PATIENCE_SECONDS) if requires_mx else None)


def read_domains(lines: Iterable[str]) -> frozenset[str]:
    """One domain a line, in ASCII; empty lines and what follows # are passed over."""
    words = (line.partition("#")[0].strip().lower().rstrip(".") for line in lines)
    return frozenset(word for word in words if word)


def _and_parents(domain: str) -> Iterable[str]:
    labels = domain.split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))


def _refused(field: str, code: str, detail: str) -> Problem:
    error = FieldError(field=field, code=code, detail=detail)
    return Problem(422, "invalid_fields", "Invalid fields", f"{detail} Nothing was changed.", errors=[error])
