"""For all tests: what is not collected, how long properties are tried, and the demo data set, trained once."""

import importlib.util
import os
import shutil

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

EXTRAS = {"gradio": ["src/backward_search/explorer/*.py"]}
"""Modules that need an extra, whose doctests are left out where it is not installed."""

collect_ignore_glob = [
    "tests/toys/*",  # they register something when they are imported, for one test alone
    "tests/fuzz/*",  # run by hand
    *(pattern for name, files in EXTRAS.items() if importlib.util.find_spec(name) is None for pattern in files),
]

EXAMPLES = {"quick": 50, "long": 600}
"""Of each property: HYPOTHESIS_PROFILE=long, or --hypothesis-profile=long, tries more."""

for name, examples in EXAMPLES.items():
    settings.register_profile(
        *(name, None),
        max_examples=examples,
        stateful_step_count=8,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        print_blob=False,
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser):
    parser.addoption(
        "--thorough-faults", action="store_true", help="the tests of faults in their long form (an hour), not a sample"
    )
    parser.addoption(
        "--explorer-picture", metavar="FILE", help="let a browser test save a picture of the explorer here"
    )
    parser.addoption(
        "--explorer-runs", metavar="FOLDER", help="what it shows: a folder with data/ and weight/ [the project's own]"
    )


def pytest_terminal_summary(terminalreporter):
    """Say how many faults were tried, and how each ended."""
    counts: dict[str, int] = {}
    for report in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", []):
        for name, value in report.user_properties:
            if name.startswith("faults: "):
                counts[name] = counts.get(name, 0) + value
    for name, count in sorted(counts.items()):
        terminalreporter.write_line(f"{name.removeprefix('faults: ')}: {count}")


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
