"""Nobody gives what he does not hold."""
