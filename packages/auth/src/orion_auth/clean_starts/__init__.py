"""What follows once an account has a second factor, for what was begun without one."""
