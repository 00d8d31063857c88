"""What enhanced status codes of mail say of an address (RFC 3463), in a server's answer and in its reports alike."""

import re

CODE = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")


def is_of_address(code: str) -> bool:
    """Whether the address itself is at fault (§3.2, §3.3): most of X.1.z, and a mailbox that is closed."""
    _, subject, detail = code.split(".")
    if subject == "1":
        return detail not in {"7", "8"}  # those are about the sender's
    return subject == "2" and detail in {"0", "1"}
