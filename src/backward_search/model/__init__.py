"""The network: an encoder with one classification head per attribute."""
