"""The name that a user chooses to be found by."""
