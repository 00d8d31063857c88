"""What stands in for the outside on one machine: an embedded PostgreSQL server and a mailbox for every channel."""
