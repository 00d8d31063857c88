"""Orion auth: identities, credentials, tokens."""
