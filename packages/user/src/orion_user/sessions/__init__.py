"""Where users are signed in: a read model fed by events of auth."""
