"""The numbered scripts, as functions."""

import importlib.util
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def script(prefix: str):
    """The `main` of the first script whose name begins so."""
    file = next(PROJECT.glob(f"{prefix}*.py"))
    spec = importlib.util.spec_from_file_location(f"script_{prefix[:2]}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main
