"""The authors' files, damaged in any way: A0 refuses them in one line, and what it imports is as without."""

import re
import shutil
from pathlib import Path

import published_files
import pytest
from damages import damages_of_published
from pipeline import FURTHER, content

pytestmark = pytest.mark.faults
TAKEN = {
    ".csv": ("a bit", "a row short", "a row twice", "another run's"),
    ".npy": ("a bit", "another run's"),
    ".pkl": ("a bit", "another run's"),
    ".pth": ("a bit", "double", "another run's"),
}
"""Ways after which a file may be another one, which nobody can tell from the authors' own: they give no hashes."""
NO_TEXT = "images with tags that are no text, taken as none"
RECORDS = re.compile(r"/(manifest-A1|report|students/.*/manifest)\.json$")
"""What tells of the authors' files themselves, or of embeddings that were not imported."""
OPTIONAL = ("embedding_epoch", "student_model", "filename.tag", "query_")


@pytest.fixture(scope="module")
def begun(further, tmp_path_factory):
    """What there is to import, and what is there once that is done."""
    folder = tmp_path_factory.mktemp("imports") / "run"
    shutil.copytree(further.places["A0"], folder)
    done = further.workshop.run("A0", FURTHER["A0"].words(folder))
    assert done.code == 0, done
    other = published_files.write_run(folder.parent / "other", seed=1)
    return content(folder), other


def trials(folder: Path) -> list[tuple[str, str]]:
    files = [file for part in ("data", "model") for file in sorted((folder / part).rglob("*"))]
    return [
        (file.relative_to(folder).as_posix(), way)
        for file in files
        if file.is_file() and file.suffix != ".jpg"
        for way in [*damages_of_published(file), *(["another run's"] if file.suffix == ".pth" else []), "removed"]
    ]


def damage(file: Path, way: str, other: Path) -> None:
    if way == "removed":
        file.unlink()
    elif way == "another run's":
        shutil.copyfile(next(other.rglob(file.name)), file)
    else:
        file.write_bytes(damages_of_published(file)[way](file.read_bytes()))


def test_a_damaged_file_is_not_imported(further, begun, chance, thorough, tmp_path, record_property):
    wanted, other = begun
    ends, wrong, every = {0: 0, 2: 0}, [], trials(further.places["A0"])
    for name, way in every if thorough else chance.sample(every, 10):
        folder = further.copy("A0", tmp_path / "run")
        file = folder / name
        damage(file, way, other)
        before = content(folder)
        done = further.workshop.run("A0", FURTHER["A0"].words(folder))
        after = content(folder)
        odd = [key for key in after if after[key] not in (before.get(key), wanted.get(key)) and not RECORDS.search(key)]
        gone = [key for key in before if key not in after]
        lacking = [key for key in wanted if key not in after and key != name] if done.code == 0 else []
        if lacking and any(each in name for each in OPTIONAL) and (file.name in done.said or way == "removed"):
            lacking = []  # it is said what is left out, and what for
        taken = way in TAKEN[file.suffix] or (file.name == "filename.tag.pkl" and NO_TEXT in done.said)
        if gone or not (done.refused or done.code == 0) or ((odd or lacking) and not taken):
            wrong.append((file.name, way, done.code, done.errors[-3:], gone, odd, lacking, done.said[-1500:]))
        ends[done.code] = ends.get(done.code, 0) + 1
        shutil.rmtree(folder)
    assert not wrong, "\n".join(map(str, wrong))
    record_property("faults: damaged files of the authors' refused in one line", ends[2])
    record_property("faults: damaged files of the authors' without effect on the results", ends[0])
