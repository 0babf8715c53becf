"""Measures, and the files and tables made of them."""
