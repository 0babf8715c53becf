"""For the tests of faults: a workshop, the small run, and how thorough they are."""

import importlib.util
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import pipeline
import pytest
from workshop import Workshop


@dataclass(frozen=True)
class Laid:
    """The small run.

    Attributes:
        workshop: that made it.
        places: by stage the folder as it was before it; the whole by "end".
    """

    workshop: Workshop
    places: dict[str, Path]

    def copy(self, name: str, folder: Path) -> Path:
        """A copy of the folder before a stage, or of the whole ("end")."""
        return Path(shutil.copytree(self.places[name], folder, symlinks=True))


@pytest.fixture(scope="session")
def thorough(request) -> bool:
    return request.config.getoption("--thorough-faults")


@pytest.fixture(scope="session")
def laid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    workshop = Workshop(folder / "jobs")
    yield Laid(workshop, pipeline.lay(workshop, folder))
    workshop.close()


@pytest.fixture(scope="session")
def further(laid, tmp_path_factory):
    """The small run, with what comes before the further stages too."""
    faiss = importlib.util.find_spec("faiss") is not None
    folder = tmp_path_factory.mktemp("further")
    laid.places.update(pipeline.lay_further(laid.workshop, laid.places["end"], folder, faiss=faiss))
    return laid


@pytest.fixture
def chance(request) -> random.Random:
    return random.Random(request.node.nodeid)
