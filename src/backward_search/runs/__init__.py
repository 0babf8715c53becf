"""A trained run, a task and a query as they lie on disk."""
