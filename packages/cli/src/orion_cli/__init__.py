"""The orion command."""
