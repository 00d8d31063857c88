"""The phone number of an account: shown to be its owner's by a code, changed, and taken away."""
