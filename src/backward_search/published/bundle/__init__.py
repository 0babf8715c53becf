"""The authors' preprocessed bundle."""
