"""Templates: what messages are rendered from, in versions that never change once published."""
