"""A headless Chromium, where there is one."""

import os
import shutil

import pytest
from extras import needs


def chromium() -> str:
    """Its program; the test is skipped, with what to install, where there is none."""
    needs("web", "gradio")
    needs("browser", "playwright")
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs a Chromium: apt-get install chromium, or name its program in CHROMIUM")
    return found
