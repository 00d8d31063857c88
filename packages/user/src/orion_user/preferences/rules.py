"""What may become of preferences."""

from collections.abc import Mapping
from typing import Any


def weakens(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether less guards the account after a change of its security preferences."""
    less_proof = before["requires_second_factor"] and not after["requires_second_factor"]
    fewer_notices = before["sign_in_notices"] == "EVERY" and after["sign_in_notices"] != "EVERY"
    return less_proof or fewer_notices
