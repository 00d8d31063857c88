"""`orion db seed demo`: databases filled with as many users as wanted, the same ones everywhere."""
