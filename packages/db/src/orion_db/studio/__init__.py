"""A data browser over the databases of the services, for one person on one machine."""
