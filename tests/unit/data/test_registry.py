"""A data set from outside the package, in one module: an entry, and a source that says how it is read."""

import numpy as np
import pytest
from scripts_by_name import script

from backward_search.data import registry
from backward_search.data.opening import Opening
from backward_search.data.prepared import load_table, load_tags
from backward_search.data.registry import DatasetEntry, Preprocessing, register
from backward_search.data.source import Source
from backward_search.data.tables import Samples
from backward_search.errors import OptionError
from backward_search.images.writing import ImageJob, make_images
from backward_search.readers.custom import source as custom
from backward_search.stages.prepare import prepare
from backward_search.storage.paths import DataPaths

ENTRY = DatasetEntry(
    name="toy",
    category_types={"shade": ("shade",)},
    preprocessing=Preprocessing(size=8, augment=False),
    prepare="this very test",
)
SHADES = {"bright": 200, "dark": 40}


def source(paths: DataPaths) -> Source:
    labels = [list(SHADES)[row % 2] for row in range(60)]
    keys = [f"{label}/{row}.png" for row, label in enumerate(labels)]

    def read(_findings):
        return Samples(
            paths=[f"./data/{paths.name}/images/{key}" for key in keys],
            labels={"shade": labels},
            splits={"train": np.arange(30), "test": np.arange(30, 60)},
            tags=[f"number {row}" for row in range(60)],
        )

    def make(_samples, findings):
        drawn = [np.full((8, 8, 3), SHADES[label], np.uint8) for label in labels]
        jobs = [ImageJob(row, keys[row], drawn[row], paths.folder / "images" / keys[row]) for row in range(60)]
        return make_images(jobs, findings, workers=0)

    return Source(ENTRY, {"shades": SHADES}, {}, read, make)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))


@pytest.mark.parametrize("what", [ENTRY, __name__])
def test_a_data_set_from_outside_is_prepared_and_read_like_any_other(what, tmp_path):
    register("toy", what)
    register("toy", what)  # a module may be imported twice
    assert registry.find("toy", tmp_path) is ENTRY
    assert registry.names(tmp_path) == ["CUB", "APY", "wikiart", "glyphs", "toy"]
    paths = DataPaths.of(tmp_path, "toy")
    prepare(source(paths), paths)
    table = load_table(paths, registry.find("toy", tmp_path), "test")
    assert table.keys[:2] == ["bright/30.png", "dark/31.png"]
    assert table.labels("shade")[:3] == ["bright", "dark", "bright"]
    assert paths.image(table.paths[0]).exists()
    assert load_tags(paths).tags["dark/31.png"] == "number 31"
    script("A2")(["--dataset_name", "toy", "--data_root", str(tmp_path), "--num_queries", "5"])
    assert paths.queries(("shade",), "test").exists()


def test_another_process_knows_it_by_the_entry_that_is_kept(tmp_path):
    registry.save(ENTRY, tmp_path)
    with pytest.raises(OptionError, match="did you mean toy"):
        registry.find("toi", tmp_path)
    assert registry.find("toy", tmp_path) == ENTRY
    assert registry.names(tmp_path)[-1] == "toy"
    register("toy", ENTRY)
    assert registry.names(tmp_path).count("toy") == 1


@pytest.mark.parametrize("name", ["CUB", "glyphs", "toy"])
def test_a_name_is_given_once(name):
    register("toy", ENTRY)
    with pytest.raises(OptionError, match=f"there is a data set {name} already"):
        register(name, "another.module")
    with pytest.raises(OptionError, match="names have to agree"):
        register("other", ENTRY)


def test_the_users_own_images_cannot_take_the_name_of_a_registered_data_set(tmp_path):
    register("toy", ENTRY)
    paths = DataPaths.of(tmp_path, "toy")
    split = custom.Split(0.2, 0)
    with pytest.raises(OptionError, match="choose another name"):
        custom.source(paths, tmp_path, custom.Roles(), split, image_size=8, augment=False, workers=0)


def test_a_reader_is_imported_when_it_is_asked_for():
    assert registry.module_of("glyphs").ENTRY is registry.find("glyphs", "anywhere")
    assert registry.module_of("nothing") is None


def test_a_configuration_says_nothing_of_what_older_ones_do_not_know():
    usual = Preprocessing(max_pixels=1000)
    assert usual.in_json.keys() == {"size", "fit", "augment", "mean", "std"}
    assert Preprocessing(**usual.in_json).opening == Opening()
    assert Preprocessing(**Preprocessing(background="#000000").in_json).background == "#000000"
    assert Preprocessing(**Preprocessing(interpolation="bicubic").in_json).interpolation == "bicubic"
