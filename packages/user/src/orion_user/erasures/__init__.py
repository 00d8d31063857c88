"""Forgetting a person in all three services, what stands against it, and the person's archive."""
