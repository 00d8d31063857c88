"""Talking to other providers of identity (OpenID Connect, OAuth 2.0): nothing here knows our database."""
