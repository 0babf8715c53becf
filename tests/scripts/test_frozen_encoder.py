"""A frozen encoder sees each image once: B1 keeps its features, and other trainings and C1 take them from there."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scripts_by_name import script
from tiny_set import tiny_set, words

from backward_search.images import loading
from backward_search.model import passes

FROZEN = ("--enc_update", "False")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_set(tmp_path_factory.mktemp("frozen"))


@pytest.fixture
def decoded(monkeypatch):
    """The names of the images that are opened."""
    seen, real = [], loading.open_picture
    monkeypatch.setattr(loading, "open_picture", lambda path, **how: (seen.append(path.name), real(path, **how))[1])
    return seen


def arrays(run):
    return {file.name: np.load(file) for file in sorted((run / "embeddings").glob("*.npy"))}


def test_each_image_is_decoded_once_by_all_trainings_and_c1(data, decoded):
    run = script("B1.BuildModel")(words(data, "weight", *FROZEN))
    assert len(decoded) == len(set(decoded)) == 400
    decoded.clear()
    script("C1.ModelTest")(words(data, "weight", *FROZEN))
    script("B1.BuildModel")(words(data, "weight", *FROZEN, "--recipe", "modern", "--category_type", "shade"))
    assert not decoded
    made = arrays(run)
    shutil.rmtree(data / "data" / "tiny" / "features")
    script("C1.ModelTest")(words(data, "weight", *FROZEN, "--overwrite", "True"))
    assert len(decoded) == 400
    for name, array in arrays(run).items():
        np.testing.assert_allclose(array, made[name], atol=1e-5, err_msg=name)
    assert made["train.npy"].std() > 0.1


def test_other_weights_and_other_sizes_have_features_of_their_own(data, decoded):
    script("B1.BuildModel")(words(data, "seeds", *FROZEN))
    decoded.clear()
    script("B1.BuildModel")(words(data, "seeds", *FROZEN, "--seed", "1", "--overwrite", "True"))
    assert len(decoded) == 400
    decoded.clear()
    script("B1.BuildModel")(words(data, "seeds", *FROZEN, "--image_size", "24", "--overwrite", "True"))
    assert len(decoded) == 400


def test_augmented_images_are_seen_in_every_epoch(data, decoded):
    script("B1.BuildModel")(words(data, "augmented", *FROZEN, "--augment", "True"))
    assert len(decoded) > 3 * 300


def test_damaged_features_are_made_again(data, decoded, caplog):
    run = script("B1.BuildModel")(words(data, "damaged", *FROZEN))
    before = arrays(script("C1.ModelTest")(words(data, "damaged", *FROZEN)).parent)
    for file in (data / "data" / "tiny" / "features").glob("*/train.npy"):
        file.write_bytes(file.read_bytes()[:-40])
    decoded.clear()
    script("C1.ModelTest")(words(data, "damaged", *FROZEN, "--overwrite", "True"))
    assert 0 < len(decoded) < 400
    for name, array in arrays(run).items():
        np.testing.assert_allclose(array, before[name], atol=1e-5, err_msg=name)


def test_images_that_were_made_anew_have_new_features(data, decoded):
    script("B1.BuildModel")(words(data, "anew", *FROZEN))
    file = next((data / "data" / "tiny" / "images").rglob("*.png"))
    decoded.clear()
    script("B1.BuildModel")(words(data, "anew", *FROZEN, "--overwrite", "True"))
    assert not decoded
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(file)
    script("B1.BuildModel")(words(data, "anew", *FROZEN, "--overwrite", "True"))
    assert file.name in decoded


def test_a_killed_pass_is_gone_on_from(data, decoded, monkeypatch):
    shutil.rmtree(data / "data" / "tiny" / "features")
    real = passes.time.monotonic
    monkeypatch.setattr(passes, "KEEP_SECONDS", -1)
    calls = []

    def stop():
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real()

    monkeypatch.setattr(passes, "time", SimpleNamespace(monotonic=stop))
    with pytest.raises(KeyboardInterrupt):
        script("B1.BuildModel")(words(data, "killed", *FROZEN))
    monkeypatch.setattr(passes, "time", SimpleNamespace(monotonic=real))
    seen = len(decoded)
    script("B1.BuildModel")(words(data, "killed", *FROZEN))
    assert seen > 0
    assert len(decoded) - seen < 400
