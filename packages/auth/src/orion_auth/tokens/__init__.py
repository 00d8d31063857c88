"""Access and refresh tokens: how they are made, rotated and revoked."""
