"""What a refresh token is replaced by."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

from orion_auth.tokens.rules import BearerToken
from orion_core.sealing import Keyring
from orion_core.secrets import hash_secret, new_selector


class Successors:
    """Derives the secret of a successor from the token that it succeeds and a key of ours.

    So the same successor can be given out twice and kept nowhere: whoever reads the database and even knows the key has
    nothing without the token that was shown.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keys = keyring.derive("refresh token successor")

    def new(self, shown: BearerToken) -> BearerToken:
        """A successor of `shown`, under the active key."""
        return self._derive(self._keys[0], shown, new_selector())

    def again(self, shown: BearerToken, selector: str, token_hash: bytes) -> BearerToken | None:
        """The successor of `shown` that was given out before; None when its key has left the keyring since."""
        candidates = (self._derive(key, shown, selector) for key in self._keys)
        return next((made for made in candidates if hmac.compare_digest(hash_secret(made.secret), token_hash)), None)

    def _derive(self, key: bytes, shown: BearerToken, selector: str) -> BearerToken:
        mac = hmac.digest(key, f"{selector} {shown.text}".encode(), sha256)
        return BearerToken(selector, urlsafe_b64encode(mac).rstrip(b"=").decode())
