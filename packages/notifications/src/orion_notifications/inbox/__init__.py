"""The inbox: what has reached a user, what of it is unread, and what comes while somebody looks."""
