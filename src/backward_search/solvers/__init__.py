"""The method: what a query can want, what is descended on, and the solvers."""
