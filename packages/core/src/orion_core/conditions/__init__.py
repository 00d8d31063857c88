"""Conditions of grants: expressions in CEL, checked when written and of bounded cost when asked."""
