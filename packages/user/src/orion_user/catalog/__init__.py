"""The permissions that there are, and their administration."""
