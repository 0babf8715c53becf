"""Context: what images share beside the conditions, and a map of the embeddings that was learnt from it."""
