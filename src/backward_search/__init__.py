"""Backward Search: conditional image retrieval by moving a query's embedding through a frozen classification head."""

__version__ = "0.1.0"
