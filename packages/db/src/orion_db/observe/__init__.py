"""`orion db size`, `stats` and `top`: what is in a database, what is done to it, and what is going on just now."""
