"""Approximate engines: indexes that grow with a gallery, each a module, behind one interface."""
