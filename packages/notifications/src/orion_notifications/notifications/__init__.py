"""The messages themselves: what was asked for, what became of it, and what a user has in the inbox."""
