"""Permissions, and which roles allow or deny them."""
