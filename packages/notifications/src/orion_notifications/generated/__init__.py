"""What `orion db generate notifications` writes from the models."""
