"""Names of runs and of files: what they say, and that they stay what a disk can hold."""

import os
import string
from pathlib import Path

from hypothesis import assume, example, given
from hypothesis import strategies as st
from nasty import texts

from backward_search.errors import OptionError
from backward_search.runs.names import RunName
from backward_search.storage.paths import DataPaths, RunPaths

MARKS = ("-dataset", "-cate", "-basemodel", "-encodingsize", "-enc_update", "-num_epoch", "-recipe", "-final")
PLAIN = st.text(string.ascii_letters + string.digits + "_-. é日", min_size=1, max_size=12)
LONG = st.builds(
    lambda letters, count: (letters * count)[:count], st.text("ab,/.:\\é日-", min_size=1), st.integers(1, 300)
)
COUNTS = st.integers(0, 10**6)


ATTRIBUTES = st.lists(
    LONG.map(lambda text: "".join(mark for mark in text if mark not in ",/.:\\")).filter(bool),
    min_size=1,
    max_size=8,
    unique=True,
)
"""As A1 lets columns be called: letters, digits, `_`, `-` and spaces."""


def names(word):
    return st.builds(RunName, word, word, word, word, COUNTS, st.booleans(), COUNTS, st.just("paper") | word)


def fits(path: Path, root: Path) -> bool:
    """Whether a path is below a root, and each of its parts what a disk can hold with what a write adds to it."""
    parts = path.relative_to(root).parts
    return bool(parts) and ".." not in parts and all(0 < len(os.fsencode(part)) <= 255 for part in parts)


@given(names(PLAIN))
@example(RunName("CIR_Model", "my-dataset2", "all", "vit_b", 256, True, 30))
def test_a_plain_name_says_all_its_settings(name):
    said = (name.mname, name.dataset_name, name.category_type, name.encoder_model, name.recipe)
    assume(not any(mark in f"{word}-"[:-1] for word in said[:1] + said[2:] for mark in MARKS))
    assume("-cate" not in name.dataset_name)
    assume(name.recipe == "paper" or not name.recipe.endswith("-final"))
    assert RunName.read(name.folder) == name


@given(names(texts()))
def test_a_configuration_keeps_every_name(name):
    assert RunName.stored(name.in_json) == name
    assert not name.differences(name.in_json)


@given(names(texts() | LONG))
def test_a_run_of_any_settings_has_a_folder_of_its_own_kind(name):
    root = Path("/weights")
    assert fits(RunPaths.of(root, name.folder).folder, root)
    for path in (RunPaths.of(root, name.folder).config, RunPaths.of(root, name.folder).manifest("C1-test")):
        assert fits(path, root)


@given(names(texts()), names(texts()), st.integers(0, 7))
def test_runs_of_other_settings_lie_in_other_folders(name, other, which):
    """Except for signs that a folder's name cannot carry, which the configuration tells apart."""
    field = list(name.in_json)[which]
    changed = RunName(**(name.in_json | {field: getattr(other, field)}))
    plain = [str(getattr(each, field)).translate(str.maketrans(":/,", "__-")) for each in (name, changed)]
    assert (name.folder == changed.folder) == (plain[0] == plain[1])


@given(texts() | st.text("a./\\\0é日") | LONG)
def test_a_data_set_has_a_folder_below_the_root_or_no_such_name(name):
    root = Path("/data root")
    try:
        paths = DataPaths.of(root, name)
    except OptionError:
        assert (
            not name.isalnum()
            or len(os.fsencode(name)) > 200
            or name.casefold()[:3] in ("con", "prn", "aux", "nul", "com", "lpt")
        )
        return
    assert paths.folder.parent == root
    for path in (paths.folder, paths.table("train"), paths.tags, paths.queries(("style",), "test", strict=True)):
        assert fits(path, root)


@given(ATTRIBUTES, st.sampled_from(("train", "test")), st.booleans())
def test_files_of_any_attributes_lie_where_they_should(attributes, split, strict):
    data, run = DataPaths(Path("/data"), "toy"), RunPaths(Path("/weights/run"))
    queries = data.queries(tuple(attributes), split, strict=strict)
    assert fits(queries, data.attributions)
    assert fits(data.manifest(queries.stem), data.attributions)
    result = run.result("-".join(attributes), "teacher-lambda1.1")
    assert fits(result.with_name(f"{result.stem}.manifest.json"), run.folder)
    assert fits(run.student(f"{'-'.join(attributes)}-lambda1.1-reg0.0-epoch49"), run.folder)
    files = {run.logits(split, name) for name in attributes} | {data.class_vectors(name) for name in attributes}
    assert len(files) == 2 * len(attributes)
    assert all(fits(file, file.parent) for file in files)


@given(ATTRIBUTES, ATTRIBUTES)
def test_queries_on_other_attributes_lie_in_other_files(attributes, others):
    data, joined = DataPaths(Path("/data"), "toy"), ["-".join(each) for each in (attributes, others)]
    same = len({data.queries(tuple(each), "test") for each in (attributes, others)}) == 1
    assert same == (joined[0] == joined[1])
