"""Delivery: the queue, the attempts, the channels and the worker that sends."""
