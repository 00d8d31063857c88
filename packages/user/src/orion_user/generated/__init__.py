"""What `orion db generate user` writes from the models."""
