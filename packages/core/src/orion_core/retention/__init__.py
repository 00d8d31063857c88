"""How long rows are kept: declared beside the columns of each table, and carried out in small batches."""
