"""The paper's tasks and tables."""
