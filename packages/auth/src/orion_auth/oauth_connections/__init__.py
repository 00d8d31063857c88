"""Which providers people may sign in through, as an administrator configures them."""
