"""A list of networks in memory, such as those through which people hide where they are (Tor, open proxies)."""

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path

from orion_core.settings import SettingsError
from orion_core.tables import IpAddress


class Networks:
    """Networks by version and length, so that an address is looked for once for each length there is."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._bases: dict[tuple[int, int], set[int]] = defaultdict(set)
        for number, line in enumerate(lines, start=1):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            try:
                network = ip_network(text, strict=False)
            except ValueError:
                raise ValueError(f"line {number} is no network: {text[:60]!r}") from None
            host_bits = network.max_prefixlen - network.prefixlen
            self._bases[network.version, host_bits].add(int(network.network_address) >> host_bits)

    @classmethod
    def read(cls, path: Path | None) -> "Networks":
        """The networks in a file, one a line, `#` before what is not meant; none without a file."""
        if path is None:
            return cls()
        try:
            return cls(path.read_text("utf-8").splitlines())
        except (OSError, ValueError) as error:
            message = f"AUTH_ANONYMISING_NETWORKS is wrong: {path}: {error}. Example of a line: 203.0.113.0/24"
            raise SettingsError(message) from None

    def contains(self, address: IpAddress) -> bool:
        """Whether an address is in one of the networks."""
        number = int(address)
        return any(
            version == address.version and number >> host_bits in bases
            for (version, host_bits), bases in self._bases.items()
        )
