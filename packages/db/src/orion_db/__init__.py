"""Orion db: migrations, status, seeds and generated documents for the databases of all services."""
