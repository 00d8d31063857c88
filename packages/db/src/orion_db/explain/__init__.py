"""`orion db explain`: what PostgreSQL does with a statement, where its time goes, and what index would help."""
