"""The demo's letters and digits."""
