"""URLs as they are told to those who are not their owners."""

from hashlib import sha256
from urllib.parse import urlsplit

HIDDEN = "•••"


def told(url: str) -> dict[str, str]:
    """A URL as audit trails keep it: `url`, where it leads, and `url_hash`, by which one sees whether it was changed.

    Many a path or query is itself what opens the door, and streams carry the trail on to others.
    """
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc}/{HIDDEN if parts.path.strip('/') or parts.query else ''}"
    return {"url": shown, "url_hash": sha256(url.encode()).hexdigest()[:16]}
