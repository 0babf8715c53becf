"""What is wanted of a query: as people write it, and as arrays."""
