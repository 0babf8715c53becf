"""For the tests of faults: a workshop, the small run, and how thorough they are."""

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
        before: by stage the folder as it was before.
        end: the whole, by "end"; of another seed by "other".
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


@pytest.fixture
def chance(request) -> random.Random:
    return random.Random(request.node.nodeid)
