"""Tests that need an extra: left out where it is not installed, unless all extras are to be there."""

import importlib
import os
from types import ModuleType

import pytest

ALL = "BACKWARD_SEARCH_EXTRAS"
"""The environment variable that says, by the value `all`, that no extra may be missing."""


def needs(extra: str, *modules: str) -> ModuleType:
    """The first of an extra's modules; without them the test, or its whole module, is skipped.

    Where all extras are to be there it fails instead.
    """
    for name in modules or (extra,):
        try:
            importlib.import_module(name)
        except ImportError:
            missing(f'needs {name}: pip install ".[{extra}]"')
    return importlib.import_module((modules or (extra,))[0])


def missing(reason: str) -> None:
    """Skip for want of something; fail where all is to be there."""
    if os.environ.get(ALL) == "all":
        pytest.fail(f"{reason} ({ALL} is all)", pytrace=False)
    pytest.skip(reason, allow_module_level=True)
