"""Where a database stands, and how it differs from what it should be."""
