"""The authors' files."""
