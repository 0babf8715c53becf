"""The student: a network that imitates the search in one step."""
