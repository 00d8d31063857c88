"""Taking in users that another system had."""
