"""What happened to an account that its owner or an auditor should know."""
