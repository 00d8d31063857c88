"""Registering: how an identity begins."""
