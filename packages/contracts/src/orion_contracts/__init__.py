"""Messages that cross a border between Orion services: events and claims."""
