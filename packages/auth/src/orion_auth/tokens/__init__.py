"""Opaque tokens, for refreshing and for mailed links: given out, used up, rotated and revoked."""
