"""Audiences: which users are meant by a role, an organization or a tag."""
