"""The token endpoint of OAuth 2.0 (RFC 6749)."""
