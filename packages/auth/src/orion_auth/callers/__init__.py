"""Who asks for a change of his own account, at the moment when it is made."""
