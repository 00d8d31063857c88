"""Who somebody is to auth: address, name, password hash, state."""
