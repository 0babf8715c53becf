"""The data sets: one module each, and the forms that every one of them is brought into."""
