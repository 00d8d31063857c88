"""Deciding who may do what where: the rules, and a decider that keeps a subject's rights in memory."""
