"""Vectors instead of images, from A1 to the library: trained on, searched, drawn, added to a gallery."""

import csv
from json import loads

import numpy as np
import pandas as pd
import pytest
import torch
from made_vectors import beside_table, class_vectors, made_vectors
from scripts_by_name import script
from tiny_set import tiny_set

from backward_search import open_run
from backward_search.errors import DataError, OptionError, StaleError
from backward_search.gallery.stored import StoredGallery

CONDITION = ("--condition", "style=Rococo")
WITHOUT_PROJECTION = ("--encoding_size", "0")


def words(root, *more):
    roots = ["--dataset_name", "v", "--data_root", str(root / "data"), "--weight_root", str(root / "weight")]
    return [*roots, "--num_epoch", "6", *more]


def trained(root, *more, count=240, width=16):
    a1 = ["--dataset_name", "v", "--data_root", str(root / "data")]
    script("A1.Data-Preprocessing-custom")([*a1, *beside_table(root, *made_vectors(count, width))])
    script("A2.Query-Generating")([*a1, "--num_queries", "40"])
    run = script("B1.BuildModel")(words(root, *more))
    script("C1.ModelTest")(words(root, *more))
    return run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    trained(folder)
    script("B1.BuildModel")(words(folder, *WITHOUT_PROJECTION))
    script("C1.ModelTest")(words(folder, *WITHOUT_PROJECTION))
    return folder


def result(root, *more):
    return loads(script("E1.Model-Evaluation")(words(root, *more)).read_text())


def opened(root, size):
    return open_run("v", data_root=root / "data", weight_root=root / "weight", encoding_size=size, num_epoch=6)


@pytest.mark.parametrize("more", [(), WITHOUT_PROJECTION], ids=["projection", "heads alone"])
def test_methods_find_what_is_wanted(root, more):
    by_chance = result(root, *more, "--method", "random")["precision_at_10"]
    for method in ("teacher", "shift_null", "concept_null"):
        assert result(root, *more, "--method", method)["precision_at_10"] > by_chance + 0.15


def test_heads_alone_keep_the_directions_of_the_vectors(root):
    searcher = opened(root, 0)
    vectors, _ = made_vectors()
    rows = [int(key.rpartition("-")[2]) for key in searcher.keys]
    lengths = searcher.gallery.norm(dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 4.0))
    torch.testing.assert_close(searcher.gallery / 4, torch.from_numpy(vectors[rows]))


@pytest.mark.parametrize("size", [256, 0])
def test_a_vector_of_any_length_is_embedded_as_c1_does(root, size):
    searcher = opened(root, size)
    vectors, _ = made_vectors()
    row = int(searcher.keys[5].rpartition("-")[2])
    embedded = searcher.embed(3 * vectors[row])
    torch.testing.assert_close(embedded, searcher.gallery[[5]], atol=1e-5, rtol=1e-4)
    assert searcher.search(embedded, "style=Rococo", method="shift_null").keys[0][0] in searcher.keys


def test_what_is_no_such_vector_is_refused(root):
    searcher = opened(root, 256)
    with pytest.raises(OptionError, match="embed images with the encoder that made those"):
        searcher.embed(np.array(["a.jpg", "b.jpg"]))
    torch.testing.assert_close(searcher.embed([[1.0] * 16]), searcher.embed(np.ones(16)))
    for wrong, message in [
        (np.ones(15, np.float32), r"vectors \(1, 15\): expected \(n, 16\)"),
        (np.zeros((2, 16), np.float32), "zeros alone"),
        (np.full(16, np.nan, np.float32), "not finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            searcher.embed(wrong)
    with pytest.raises(OptionError, match="embed images with the encoder that made those"):
        searcher.embed(["a.jpg"])


def test_a_query_vector_is_drawn_with_its_hits(root):
    vectors, _ = made_vectors()
    np.save(root / "query.npy", vectors[17])
    picture = root / "picture.png"
    more = ["--query_vector", str(root / "query.npy"), *CONDITION, "--output", str(picture), "--methods", "shift_null"]
    script("E2.Model-Query-Visualization")(words(root, *more))
    with picture.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert sum(row["meets"] == "True" for row in rows) >= 7
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("content", "message"),
    [(np.ones(9), r"holds \(9,\): expected one vector of 16"), (np.array(["a"]), "cannot be read as a .npy file")],
)
def test_a_query_that_is_no_vector_is_refused(root, content, message):
    np.save(root / "wrong.npy", content)
    with pytest.raises(OptionError, match=message):
        script("E2.Model-Query-Visualization")(words(root, "--query_vector", str(root / "wrong.npy"), *CONDITION))


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("E2.Model-Query-Visualization", ("--query_image", "a.jpg", *CONDITION)),
        ("C1.ModelTest", ("--image_folder", ".")),
        ("C3.Change-Gallery", ("--add", ".")),
    ],
)
def test_images_are_refused_where_vectors_are_wanted(root, name, more):
    with pytest.raises(OptionError, match="was trained on vectors of 16"):
        script(name)(words(root, *more))


def test_vectors_come_to_a_gallery_and_leave_it(root):
    vectors, _ = made_vectors()
    np.save(root / "new.npy", vectors[:3])
    (root / "new.txt").write_text("new/a\nnew/b\nnew/c\n")
    more = ["--add", str(root / "new.txt"), "--vectors", str(root / "new.npy")]
    folder = script("C3.Change-Gallery")(words(root, *more))
    stored = StoredGallery.open(folder)
    assert list(stored.keys[-3:]) == ["new/a", "new/b", "new/c"]
    embedded = opened(root, 256).embed(vectors[:3])
    torch.testing.assert_close(stored.vectors().whole()[-3:], embedded, atol=1e-5, rtol=1e-4)
    (root / "gone.txt").write_text("new/b\n")
    script("C3.Change-Gallery")(words(root, "--remove", str(root / "gone.txt")))
    assert len(StoredGallery.open(folder)) == len(stored) - 1
    np.save(root / "new.npy", vectors[:2])
    with pytest.raises(DataError, match=r"holds 2 vectors for the 3 names"):
        script("C3.Change-Gallery")(words(root, *more))


def test_an_encoder_of_vectors_is_refused_for_images(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, kind=np.arange(40) % 2)
    a1 = ["--dataset_name", "pictures", "--data_root", str(tmp_path)]
    script("A1.Data-Preprocessing-custom")([*a1, "--source", str(tmp_path / "a.npz")])
    with pytest.raises(OptionError, match="is for a data set of vectors, and pictures has images"):
        script("B1.BuildModel")([*a1, "--weight_root", str(tmp_path), "--encoder_model", "embeddings"])


@pytest.mark.parametrize("more", [(), WITHOUT_PROJECTION], ids=["projection", "heads alone"])
def test_wide_vectors_are_taken(tmp_path, more):
    run = trained(tmp_path, *more, width=4096)
    array = np.load(run / "embeddings" / "test.npy")
    assert array.shape[1] == (4096 if more else 256)
    found = result(tmp_path, *more, "--method", "teacher", "--inverse_solver", "manifold")
    assert found["precision_at_10"] > 0.5


def without_labels(folder, known, *more):
    """A data set whose styles nobody knows, or of which the first `known` are."""
    vectors, frame = made_vectors()
    file = class_vectors(folder, vectors, frame, "style", "Art Nouveau")
    partly = frame.assign(style=[label if row < known else "" for row, label in enumerate(frame["style"])])
    partly = partly[["id", "style"]] if known else partly[["id"]]
    a1 = ["--dataset_name", "v", "--data_root", str(folder / "data"), "--class_vectors", str(file), *more]
    script("A1.Data-Preprocessing-custom")([*a1, *beside_table(folder, vectors, partly)[:6]])
    return frame, file


@pytest.mark.parametrize("known", [0, 100])
def test_class_vectors_search_without_labels_and_without_training(known, tmp_path, caplog):
    caplog.set_level("INFO", "backward_search")
    frame, _ = without_labels(tmp_path, known)
    classes = loads((tmp_path / "data" / "v" / "attributions" / "classes.json").read_text())
    assert classes == {"style": ["Art Nouveau", "Baroque", "Cubism", "Rococo"]}
    script("A2.Query-Generating")(["--dataset_name", "v", "--data_root", str(tmp_path / "data"), "--num_queries", "40"])
    run = script("B1.BuildModel")(words(tmp_path))
    assert "there is nothing to train" in caplog.text
    script("C1.ModelTest")(words(tmp_path))
    assert (run / "embeddings" / "calibration.json").read_text().count("temperature") == (1 if known else 0)
    caplog.clear()
    assert result(tmp_path, "--method", "teacher")["precision_at_10"] > 0.6
    assert "the labels of style are guesses of its class vectors in" in caplog.text
    searcher = open_run("v", data_root=tmp_path / "data", weight_root=tmp_path / "weight", num_epoch=6)
    truth = dict(zip("id/" + frame["id"], frame["style"], strict=True))
    for method in ("teacher", "shift_null", "concept_null"):
        found = searcher.search(searcher.gallery[:20], "style=Rococo", method=method, k=8).keys
        assert np.mean([[truth[key] == "Rococo" for key in keys] for keys in found]) > 0.5
    searcher.search(searcher.gallery[3], "style=Art Nouveau")  # a class that no image has can be asked for


def test_the_temperature_is_fitted_on_images_with_a_label_of_their_own(tmp_path):
    from backward_search.storage.tensors import load_tensors

    without_labels(tmp_path, 240)
    run = script("B1.BuildModel")(words(tmp_path))
    tensors, _ = load_tensors(run / "model.safetensors")
    assert float(tensors["heads.style.temperature"]) != pytest.approx(0.01, rel=0.05)
    assert not (tmp_path / "data" / "v" / "attributions" / "guessed.csv").exists()


def test_class_vectors_for_b1_alone(root, tmp_path):
    vectors, frame = made_vectors()
    file = class_vectors(tmp_path, vectors, frame, "style")
    given = ("--class_vectors", str(file), "--weight_root", str(tmp_path))
    with pytest.raises(OptionError, match="pass --encoding_size 0 too"):
        script("B1.BuildModel")(words(root, *given))
    with pytest.raises(OptionError, match="--class_vectors shape: style,colour has style, colour"):
        script("B1.BuildModel")(words(root, "--encoding_size", "0", "--class_vectors", f"shape={file}"))
    run = script("B1.BuildModel")(words(root, "--encoding_size", "0", *given))  # colour is trained beside
    assert loads((run / "config.json").read_text())["model"]["by_vectors"] == ["style"]
    script("C1.ModelTest")(words(root, "--encoding_size", "0", "--weight_root", str(tmp_path)))
    more = ("--encoding_size", "0", "--weight_root", str(tmp_path))
    assert result(root, *more, "--method", "teacher")["precision_at_10"] > 0.6
    narrow = class_vectors(tmp_path, vectors[:, :9], frame, "style")
    with pytest.raises(DataError, match="have 9 numbers, embeddings 16"):
        script("B1.BuildModel")(
            words(root, "--encoding_size", "0", "--class_vectors", str(narrow), "--overwrite", "True")
        )


def test_class_vectors_that_do_not_fit_the_labels_are_refused_by_a1(tmp_path):
    vectors, frame = made_vectors()
    others = (frame["style"] != "Rococo").to_numpy()
    file = class_vectors(tmp_path, vectors[others], frame[others], "style")
    a1 = ["--dataset_name", "v", "--data_root", str(tmp_path / "data"), *beside_table(tmp_path, vectors, frame)]
    with pytest.raises(DataError, match="has the style 'Rococo', of which there is no class vector"):
        script("A1.Data-Preprocessing-custom")([*a1, "--class_vectors", str(file)])


@pytest.mark.parametrize("width", [16, 24])
def test_changed_vectors_are_noticed_by_every_later_stage(width, tmp_path):
    trained(tmp_path)
    vectors, frame = made_vectors(240, width)
    a1 = ["--dataset_name", "v", "--data_root", str(tmp_path / "data"), "--overwrite", "True"]
    script("A1.Data-Preprocessing-custom")([*a1, *beside_table(tmp_path, vectors[::-1].copy(), frame)])
    for name, more in [
        ("E1.Model-Evaluation", ()),
        ("C1.ModelTest", ("--overwrite", "True")),
        ("D1.Train-KD-Model", ()),
    ]:
        with pytest.raises(StaleError, match="vectors of train"):
            script(name)(words(tmp_path, *more))
    with pytest.raises(StaleError, match="vectors of train"):
        script("B1.BuildModel")(words(tmp_path))


def test_guessed_labels_stand_in_the_results_and_not_in_the_table_of_heads(tmp_path):
    without_labels(tmp_path, 0)
    script("A2.Query-Generating")(["--dataset_name", "v", "--data_root", str(tmp_path / "data"), "--num_queries", "40"])
    run = script("B1.BuildModel")(words(tmp_path))
    script("C1.ModelTest")(words(tmp_path))
    assert result(tmp_path, "--method", "teacher")["guessed_labels"] == {"style": 48}
    assert "style" not in (run / "heads.csv").read_text()


def test_class_vectors_tell_the_classes_of_a_frozen_encoder(tmp_path):
    tiny_set(tmp_path)
    frozen = ("--enc_update", "False", "--encoding_size", "0", "--augment", "True")
    roots = ["--data_root", str(tmp_path / "data"), "--weight_root", str(tmp_path / "weight"), "--n_workers", "0"]
    plain = ["--dataset_name", "tiny", *roots, "--encoder_model", "small_cnn", "--num_epoch", "3"]
    run = script("B1.BuildModel")([*plain, *frozen[:4]])
    script("C1.ModelTest")([*plain, *frozen[:4]])
    embedded = np.load(run / "embeddings" / "train.npy")
    table = pd.read_csv(tmp_path / "data" / "tiny" / "attributions" / "preprocessed_tiny_train.csv")
    names = loads((tmp_path / "data" / "tiny" / "attributions" / "classes.json").read_text())["light"]
    means = [embedded[table["light"] == number].mean(axis=0) for number in range(2)]
    np.savez(tmp_path / "light.npz", names=names, vectors=means)
    more = (*frozen, "--class_vectors", str(tmp_path / "light.npz"), "--category_type", "light")
    told = script("B1.BuildModel")([*plain, *more])
    accuracy = loads((told / "config.json").read_text())["training"]["test_accuracy"]["light"]
    assert accuracy > 0.8
