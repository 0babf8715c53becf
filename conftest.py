"""For all tests: what is not collected, and the demo data set with a short training, made once."""

import importlib.util
import os
import shutil

import pytest
from filelock import FileLock

EXTRAS = {"gradio": ["src/backward_search/explorer/*.py"]}
"""Modules that need an extra, whose doctests are left out where it is not installed."""

collect_ignore_glob = [
    "tests/toys/*",  # they register something when they are imported, for one test alone
    "tests/fuzz/*",  # run by hand
    *(pattern for name, files in EXTRAS.items() if importlib.util.find_spec(name) is None for pattern in files),
]


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The folder; nobody changes it. Processes that run tests side by side share it."""
    from demo_run import lay_demo

    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, laid = base / "demo", base / "demo-laid"
    with FileLock(base / "demo.lock"):
        if not laid.exists():
            lay_demo(folder)
            laid.touch()
    return folder


@pytest.fixture(scope="module")
def trained(demo, tmp_path_factory):
    """A copy for a file of tests, which may add to it, and the options that name its data."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(demo, folder, dirs_exist_ok=True)
    from demo_run import roots_of

    return roots_of(folder)


@pytest.fixture
def copied(trained, tmp_path):
    """A copy for one test, which may spoil it."""
    for folder in ("data", "weight"):
        shutil.copytree(trained[0] / folder, tmp_path / folder)
    from demo_run import roots_of

    return roots_of(tmp_path)
