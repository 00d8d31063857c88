"""Second factors, backup codes and challenges."""
