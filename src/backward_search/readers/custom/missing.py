"""Words that tables write where there is nothing."""

MISSING = ("None", "null", "NULL", "<NA>", "#N/A", "#NA", "N/A", "n/a", "NA", "nan", "NaN", "NaT")
"""Those that count as an empty cell, unless the user names others."""
