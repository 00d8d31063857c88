"""Drivers: one for each provider, by its own protocol."""
