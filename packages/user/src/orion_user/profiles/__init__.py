"""What users see of each other."""
