"""What every Orion service stands on."""
