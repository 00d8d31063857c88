"""Forgetting a person, and telling the person what is known."""
