"""The product as a library: a searcher over any gallery, or over a run."""
