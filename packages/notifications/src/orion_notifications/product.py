"""What messages say of the installation they come from."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Product:
    """Its name, and where it and its support are."""

    name: str
    app_url: str
    support_url: str

    @property
    def domain(self) -> str:
        """The host that codes by SMS are bound to."""
        return urlsplit(self.app_url).hostname or "localhost"
