"""WikiArt, in each of its published forms."""
