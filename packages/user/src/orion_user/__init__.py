"""Orion user: profiles, roles, permissions, audit."""
