"""Keys of programs that act for a user or a service."""
