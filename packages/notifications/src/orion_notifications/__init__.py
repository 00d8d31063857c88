"""Orion notifications: templates, messages, delivery."""
