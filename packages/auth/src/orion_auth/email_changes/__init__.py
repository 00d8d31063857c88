"""Changing the address of an account, with the word of whoever reads the old one and the new one."""
