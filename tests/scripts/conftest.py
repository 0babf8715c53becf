"""The demo data set with a short training, made once for all files of tests that want it."""

import shutil

import pytest
from demo_run import lay_demo, roots_of


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The folder; nobody changes it."""
    folder = tmp_path_factory.mktemp("demo")
    lay_demo(folder)
    return folder


@pytest.fixture(scope="module")
def trained(demo, tmp_path_factory):
    """A copy for a file of tests, which may add to it, and the options that name its data."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(demo, folder, dirs_exist_ok=True)
    return roots_of(folder)


@pytest.fixture
def copied(trained, tmp_path):
    """A copy for one test, which may spoil it."""
    for folder in ("data", "weight"):
        shutil.copytree(trained[0] / folder, tmp_path / folder)
    return roots_of(tmp_path)
