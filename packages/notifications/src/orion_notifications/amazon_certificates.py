"""The certificates by which Amazon's call-backs are checked."""

from dataclasses import dataclass, field

import httpx

CERTIFICATE_BYTES = 64 * 1024
CERTIFICATES_KEPT = 20
FETCH_SECONDS = 10.0


@dataclass
class Certificates:
    """Amazon's certificates, each fetched once."""

    http: httpx.AsyncClient
    known: dict[str, bytes] = field(default_factory=dict[str, bytes])

    async def get(self, url: str) -> bytes:
        """The certificate at a URL that has been found to be Amazon's; httpx.HTTPError."""
        if url not in self.known:
            content = await self.fetch(url)
            if len(self.known) >= CERTIFICATES_KEPT:
                self.known.clear()
            self.known[url] = content
        return self.known[url]

    async def fetch(self, url: str) -> bytes:
        """What is at a URL of Amazon's; httpx.HTTPError."""
        answer = await self.http.get(url, follow_redirects=False, timeout=FETCH_SECONDS)
        return answer.raise_for_status().content[:CERTIFICATE_BYTES]
