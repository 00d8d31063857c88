"""What a change of rights would give or take, and to whom, before it is made."""
