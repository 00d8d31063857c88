"""Quiet hours: when somebody is not to be disturbed, by the clock on his wall."""
