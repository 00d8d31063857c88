"""Writing a migration from the difference between the models and what the migrations build so far."""
