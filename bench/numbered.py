"""The numbered scripts, run as a user runs them: each in a process of its own."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

from backward_search.errors import UserError


def run(script: str, *words: object) -> None:
    """Run one of the numbered scripts.

    Raises:
        UserError: it failed; it has said why.
    """
    file = next(PROJECT.glob(f"{script}*.py"))
    if subprocess.run([sys.executable, file, *map(str, words)], check=False).returncode:
        raise UserError(f"{file.name} failed, see above")
