"""Names that the project makes for files and folders: every common disk can hold them, and tells them apart."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backward_search.errors import OptionError
from backward_search.readers.custom.names import unique_keys
from backward_search.runs.names import RunName
from backward_search.storage.naming import folded, leads_out, storable
from backward_search.storage.paths import DataPaths

NASTY = st.text(st.sampled_from('aA.. /\\:*?"<>|\0\n\x7f~é\u0301ßsSſ\ud800-') | st.characters(), max_size=12)
DEVICES = st.sampled_from(["CON", "nul.txt", "aux .png", "LPT9", "com\u00b9.jpg", "CONIN$", "..", ".", "", "a" * 300])
NAMES = NASTY | DEVICES


def portable(name):
    """Whether Windows, macOS and Linux all take a name, written apart from the code."""
    stem = name.split(".")[0].rstrip(" ").upper()
    ports = {f"{port}{number}" for port in ("COM", "LPT") for number in "123456789¹²³"}
    return (
        0 < len(name.encode()) <= 255
        and not any(mark in '<>:"/\\|?*\x7f' or mark < " " for mark in name)
        and name[-1] not in ". "
        and stem not in {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", *ports}
    )


@given(NAMES)
def test_any_name_becomes_one_for_every_disk(name):
    made = storable(name)
    assert portable(made)
    assert not made.startswith(".")
    assert storable(made) == made
    assert not leads_out(made)


@given(st.lists(st.lists(NAMES.filter(bool), min_size=1, max_size=4).map(tuple), max_size=8))
@example([("0//", "CONIN$", "Ā0a00aaa0a/"), ("0/\ud800", "CONIN$", "Ā0a00aaa0a/")])
def test_keys_are_files_of_their_own_on_every_disk(paths):
    keys = unique_keys(paths)
    assert len({folded(key) for key in keys}) == len(paths)
    for key in keys:
        folder, file = key.split("/")
        assert portable(folder)
        assert portable(file)


def test_two_names_that_some_disk_takes_for_one_get_two_files():
    alike = [
        "Strasse.jpg",
        "straße.jpg",
        "STRASSE.jpg",
        "cafe\u0301.png",
        "café.png",
        "CAFÉ.png",
        "\u01f0.png",
        "J\u030c.png",
    ]
    keys = unique_keys([("x", name) for name in alike])
    assert len({folded(key) for key in keys}) == len(alike)


def test_a_file_called_as_the_hash_of_another_s_path_is_told_apart_from_it():
    """Whoever knows how keys are made can name a file so."""
    paths = [("x", "a.jpg"), ("X", "a.jpg")]
    for _ in range(3):
        paths += [tuple(key.split("/")) for key in unique_keys(paths) if tuple(key.split("/")) not in paths]
    assert len({folded(key) for key in unique_keys(paths)}) == len(paths)


def test_two_rows_of_one_name_get_two_files():
    assert len(set(unique_keys([("photos", "a.jpg")] * 3))) == 3  # as photos/a.jpg and ../photos/a.jpg


@pytest.mark.parametrize(
    "name", ["..", ".x", "a/b", "a\\b", "a\0", "", "CON", "nul.txt", "COM1", "a.", "a ", "a:b", "a*", "a\n", "n" * 300]
)
def test_a_data_set_needs_a_name_for_a_folder(name, tmp_path):
    with pytest.raises(OptionError, match="cannot name a data set") as refusal:
        DataPaths.of(tmp_path, name)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["pets", "my shop", "Möbel", "a.b", "x_1-2"])
def test_other_names_of_data_sets_are_fine(name, tmp_path):
    assert DataPaths.of(tmp_path, name).folder == tmp_path / name


@pytest.mark.parametrize("mname", ["../../x", "..\\..\\x", "a:b", "what?*", "CON", "a\0b"])
def test_a_run_lies_in_a_folder_of_its_own(mname):
    name = RunName(mname, "pets", "a,b", "timm:x/y", 256, True, 5)
    assert portable(name.folder)


def test_a_run_of_many_attributes_still_has_a_folder():
    kinds = [",".join(f"attribute number {n}" for n in (*range(20), last)) for last in (20, 21)]
    folders = [RunName("m", "pets", kind, "small_cnn", 256, True, 5).folder for kind in kinds]
    assert all(map(portable, folders))
    assert folders[0] != folders[1]


def test_paths_that_lead_out_are_known_on_any_system():
    fronts, backs = ("", "a/", "./", "a\\"), ("b", "b/..", "../b")
    for front, back in itertools.product(fronts, backs):
        assert leads_out(front + back) == (back == "../b" and front in ("", "./"))
