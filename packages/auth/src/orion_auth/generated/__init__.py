"""What `orion db generate auth` writes from the models."""
