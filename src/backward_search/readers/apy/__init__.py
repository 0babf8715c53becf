"""aPascal and aYahoo."""
