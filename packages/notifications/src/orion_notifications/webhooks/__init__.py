"""Webhook endpoints: programs of users and customers that are told of messages by HTTP."""
