"""What another installed package adds by an entry point is there, whichever module is imported first."""

import os
import subprocess
import sys

import pytest

from backward_search.storage.paths import PROJECT

PLUGIN = """
from backward_search.methods.protocol import Method
from backward_search.methods.registry import METHODS

class Halfway(Method):
    name, summary = "halfway", "of a test"

METHODS.register("halfway", Halfway)
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", ["METHODS", "Searcher, METHODS", "open_run, METHODS"])
def test_it_is_there(first, tmp_path):
    (tmp_path / "halfway_ep.py").write_text(PLUGIN)
    info = tmp_path / "x-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: x\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[backward_search]\nh = halfway_ep\n")
    code = f"from backward_search import {first}; print('halfway' in list(METHODS))"
    path = os.pathsep.join([str(PROJECT / "src"), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.stdout == "True\n"
    assert not done.stderr
