"""The name of a run: written and read in one place, and kept in its configuration."""

import json
from dataclasses import replace

import pytest

from backward_search.data import registry
from backward_search.errors import MissingError
from backward_search.runs.names import RunName
from backward_search.runs.run import Run, name_of, runs_of
from backward_search.storage.paths import RunPaths

PUBLISHED = (
    "CIR_Model-datasetwikiart-catestylegenre-basemodelconvnext_base-encodingsize256-enc_updateTrue-num_epoch30-final"
)
OWN = RunName("a-b", "my-set", "colour,brand", "timm:vit/x", 64, False, 7, "modern")


def test_a_published_name_is_read_and_written():
    name = RunName.read(PUBLISHED)
    assert name == RunName("CIR_Model", "wikiart", "stylegenre", "convnext_base", 256, True, 30)
    assert name.folder == PUBLISHED
    assert RunName.read("anything") is None


def test_the_usual_run_of_a_data_set_has_the_published_name():
    entry = registry.find("wikiart", "data")
    assert RunName.usual(entry).folder == PUBLISHED
    assert RunName.usual(entry, num_epoch=2).num_epoch == 2


def lay(place, run, **config):
    paths = RunPaths(place / run.folder)
    paths.folder.mkdir(parents=True)
    paths.manifest("B1").write_text("{}")
    paths.config.write_text(json.dumps(config))
    return paths


def test_a_configuration_says_what_a_name_cannot(tmp_path):
    paths = lay(tmp_path, OWN, name=OWN.in_json)
    assert name_of(paths) == OWN
    assert list(runs_of(tmp_path)) == [(OWN, paths)]


def test_an_older_run_is_read_by_its_folder_and_its_network(tmp_path):
    model = {"encoder_model": "timm:vit/x", "classes": {"colour": 3, "brand": 2}}
    assert name_of(lay(tmp_path, OWN, model=model)) == OWN
    plain = RunName.read(PUBLISHED)
    model = {"encoder_model": "convnext_base", "classes": {"style": 27, "genre": 11}}
    assert name_of(lay(tmp_path, plain, model=model)) == plain


@pytest.mark.parametrize(
    "config", [{}, {"name": {}}, {"name": OWN.in_json | {"num_epoch": "7"}}, {"model": 3}, {"name": 5}]
)
def test_a_damaged_configuration_is_no_run(tmp_path, config):
    assert name_of(lay(tmp_path, OWN, **config)) is None


def test_a_run_that_is_not_there_names_the_nearest_that_is(tmp_path):
    there = RunName.usual(registry.find("glyphs", tmp_path), num_epoch=2)
    lay(tmp_path, there, name=there.in_json)
    with pytest.raises(MissingError, match=r"there is a run of --num_epoch 2$"):
        Run.open(replace(there, num_epoch=24), tmp_path, tmp_path)
