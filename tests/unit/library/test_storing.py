"""A searcher on disk: it comes back whole, or one line says what is not."""

import json
import shutil

import numpy as np
import pytest
import torch
from made import LABELS, E, gallery, heads, searcher, students, truth
from sklearn.linear_model import LogisticRegression
from torch import nn

from backward_search import METHODS, Searcher
from backward_search.errors import DataError, MissingError
from backward_search.methods import assembler as assembling
from backward_search.methods.concept import ClassMeans
from backward_search.model.network import Head
from backward_search.storage.tensors import load_tensors, save_tensors


def training(count=300):
    images = torch.randn(count, E, generator=torch.Generator().manual_seed(5))
    return images, {name: ids[:count] for name, ids in truth().items()}


@pytest.fixture(scope="module")
def made():
    held_out = torch.arange(250)
    return searcher(training=training(), held_out=held_out, temperatures={"style": 1.7}, lambda_=0.6)


@pytest.fixture(scope="module")
def saved(made, tmp_path_factory):
    return made.save(tmp_path_factory.mktemp("saved") / "searcher")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_same_after_it(made, saved, method):
    again = Searcher.load(saved)
    for condition in ("style=Rococo", {"style": "Cubism", "genre": "portrait"}):
        expected, found = (one.search(gallery()[:9], condition, method=method) for one in (made, again))
        assert found.keys == expected.keys
        assert torch.equal(found.scores, expected.scores)


def test_what_is_kept_is_not_made_again(saved, monkeypatch):
    again, asked = Searcher.load(saved), []
    for module in again.assembler.source.modules.values():
        module.register_forward_hook(lambda *_: asked.append(1))
    monkeypatch.setattr(ClassMeans, "of", lambda *_: pytest.fail("the class means are made again"))
    again.search(gallery()[:3], "style=Rococo", method="class_mean")
    again.search(gallery()[:3], "style=Rococo", method="predicted_filter")
    assert len(asked) <= 2  # the heads see queries alone, not the gallery


def test_chosen_strengths_come_back(tmp_path, monkeypatch):
    made = searcher(training=training())
    asks = [
        ("style=Rococo", "shift_null", {}),
        ("style=Rococo", "shift_null", {"shift": 0.4, "seed": 2}),
        ({"style": "Cubism", "genre": "portrait"}, "shift_null", {"aim": "context=0.912345678"}),
        ("genre=portrait", "concept_null", {"strength": "auto"}),
    ]
    expected = [made.search(gallery()[:9], ask, method=method, **more) for ask, method, more in asks]
    strengths = made.assembler.strengths
    assert len(strengths) == len(asks)
    again = Searcher.load(made.save(tmp_path / "chosen"))
    monkeypatch.setattr(assembling, "choose_strength", lambda *_: pytest.fail("a strength is chosen again"))
    for (ask, method, more), wanted in zip(asks, expected, strict=True):
        found = again.search(gallery()[:9], ask, method=method, **more)
        assert torch.equal(found.rows, wanted.rows)
        assert torch.equal(found.scores, wanted.scores)
    assert again.assembler.strengths == strengths
    content = json.loads((tmp_path / "chosen" / "searcher.json").read_text())
    del content["strengths"]  # as an older version writes it
    (tmp_path / "chosen" / "searcher.json").write_text(json.dumps(content))
    assert not Searcher.load(tmp_path / "chosen").assembler.strengths


def test_nothing_in_the_folder_is_code(saved):
    assert {file.suffix for file in saved.iterdir()} == {".json", ".npy", ".safetensors"}
    for file in saved.glob("*.npy"):
        assert np.load(file, allow_pickle=False) is not None


@pytest.mark.parametrize(
    "head",
    [
        Head(E, 3),
        nn.Linear(E, 3),
        nn.Linear(E, 3, bias=False),
        nn.Sequential(nn.Linear(E, 4), nn.ReLU(), nn.Linear(4, 3)),
    ],
    ids=["ours", "linear", "no bias", "chain"],
)
def test_heads_of_known_layers_come_back_by_themselves(head, tmp_path):
    one = Searcher({"a/b": head}, {"a/b": ["x", "y", "z"]}, gallery())
    again = Searcher.load(one.save(tmp_path / "s"))
    expected, found = (each.search(gallery()[:5], {"a/b": "y"}) for each in (one, again))
    assert torch.equal(found.moved, expected.moved)


def test_a_classifier_comes_back_and_a_module_of_ones_own_is_asked_for(tmp_path):
    images = gallery().double().numpy()
    ids = (images[:, 0] > 0).astype(int)
    linear = Searcher({"a": LogisticRegression().fit(images, ids)}, {"a": ["no", "yes"]}, images)
    found = Searcher.load(linear.save(tmp_path / "linear")).search(images[:4], "a=yes")
    assert torch.equal(found.rows, linear.search(images[:4], "a=yes").rows)
    own = nn.Sequential(nn.LayerNorm(E), nn.Linear(E, 3))
    one = Searcher({"style": own}, {"style": LABELS["style"]}, gallery())
    folder = one.save(tmp_path / "own")
    with pytest.raises(MissingError, match="the head of style is a module of your own"):
        Searcher.load(folder)
    fresh = nn.Sequential(nn.LayerNorm(E), nn.Linear(E, 3))
    before = fresh[1].weight.clone()
    again = Searcher.load(folder, heads={"style": fresh})
    assert torch.equal(fresh[1].weight, before)
    assert torch.equal(
        again.search(gallery()[:4], "style=Rococo").moved, one.search(gallery()[:4], "style=Rococo").moved
    )


def test_a_searcher_is_saved_over_another(made, saved, tmp_path):
    folder = tmp_path / "over"
    shutil.copytree(saved, folder)
    other = Searcher({"style": heads()["style"]}, {"style": LABELS["style"]}, gallery(30))
    other.save(folder)
    assert len(Searcher.load(folder)) == 30
    assert list(Searcher.load(folder).labels) == ["style"]


def test_an_interrupted_saving_leaves_nothing_that_looks_whole(made, saved, tmp_path, monkeypatch):
    from backward_search.library import storing

    folder = tmp_path / "half"
    shutil.copytree(saved, folder)
    monkeypatch.setattr(storing, "_save_students", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        made.save(folder)
    with pytest.raises(MissingError, match="no searcher in"):
        Searcher.load(folder)


def emptied(file):
    file.write_bytes(b"")


def halved(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def noise(file):
    file.write_bytes(np.random.default_rng(0).bytes(500))


def gone(file):
    file.unlink()


FILES = ["searcher.json", "heads.safetensors", "students.safetensors", "means.safetensors", "gallery.npy"]
FILES += ["training.npy", "held_out.npy", "gallery-ids-0.npy", "gallery-logits-1.npy", "training-logits-0.npy"]


@pytest.mark.parametrize("spoil", [emptied, halved, noise, gone], ids=lambda value: value.__name__)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_one_line(saved, tmp_path, name, spoil):
    folder = tmp_path / "damaged"
    shutil.copytree(saved, folder)
    spoil(folder / name)
    with pytest.raises((DataError, MissingError)) as failure:
        Searcher.load(folder)
    assert "\n" not in str(failure.value)
    assert str(folder) in str(failure.value)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("gallery.npy", lambda a: a[:-1]),
        ("gallery.npy", lambda a: np.where(np.arange(len(a))[:, None] == 3, np.nan, a).astype(np.float32)),
        ("gallery-logits-0.npy", lambda a: a[:-1]),
        ("gallery-logits-0.npy", lambda a: a * np.float32("nan")),
        ("gallery-ids-0.npy", lambda a: a + 7),
        ("gallery-ids-0.npy", lambda a: a.astype(np.float32)),
        ("training.npy", lambda a: a[:, :-1]),
        ("held_out.npy", lambda a: a + 10**6),
    ],
)
def test_arrays_of_other_content_are_one_line(saved, tmp_path, name, change):
    folder = tmp_path / "changed"
    shutil.copytree(saved, folder)
    np.save(folder / name, change(np.load(folder / name)))
    with pytest.raises((DataError, MissingError), match="holds no whole searcher"):
        Searcher.load(folder)


@pytest.mark.parametrize(
    "content", [[], None, {}, {"format": 1}, {"format": 2}, {"format": 1, "labels": {}, "heads": {}}]
)
def test_a_table_of_contents_of_another_kind_is_one_line(saved, tmp_path, content):
    folder = tmp_path / "other"
    shutil.copytree(saved, folder)
    (folder / "searcher.json").write_text(json.dumps(content))
    with pytest.raises(DataError):
        Searcher.load(folder)


CONTENT = [("lambda", float("nan")), ("lambda", -1), ("lambda", "x"), ("keys", 5), ("keys", [1]), ("keys", "abc")]
CONTENT += [("temperatures", {"style": -1}), ("temperatures", [1]), ("heads", {}), ("labels", []), ("students", [{}])]
CONTENT += [("strengths", [{}]), ("strengths", 5), ("held_out", 1), ("gallery", None)]


@pytest.mark.parametrize(("key", "value"), CONTENT, ids=str)
def test_a_damaged_entry_of_the_table_is_one_line(tmp_path, key, value):
    folder = searcher(20).save(tmp_path / "s")
    content = json.loads((folder / "searcher.json").read_text()) | {key: value}
    (folder / "searcher.json").write_text(json.dumps(content))
    with pytest.raises((DataError, MissingError)) as failure:
        Searcher.load(folder)
    assert "\n" not in str(failure.value)
    assert str(folder) in str(failure.value)


@pytest.mark.parametrize("field", ["value", "aim", "knobs", "seed", "names"])
def test_a_damaged_strength_is_one_line(tmp_path, field):
    made = searcher(20)
    made.search(gallery()[0], "style=Rococo", method="shift_null")
    folder = made.save(tmp_path / "s")
    content = json.loads((folder / "searcher.json").read_text())
    for value in (None, float("nan"), {"kind": "x", "share": 3}):
        content["strengths"][0][field] = value
        if field == "names" and isinstance(value, dict):
            continue  # its keys are names, of attributes that nobody asks for
        (folder / "searcher.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match=r"holds no whole searcher|is not a JSON file"):
            Searcher.load(folder)


@pytest.mark.parametrize(
    ("name", "key", "change"),
    [
        ("means", "mean", lambda t: t * float("nan")),
        ("means", "mean", lambda t: t[:-1]),
        ("means", "mean", lambda t: t[None]),
        ("means", "class 0", lambda t: t * float("nan")),
        ("means", "class 0", lambda t: t[:, :-1]),
        ("heads", "0.0.weight", lambda t: t * float("nan")),
        ("heads", "0.0.weight", lambda t: t[:-1]),
        ("students", "0.0.weight", lambda t: t * float("nan")),
        ("students", "0.0.weight", lambda t: t[:, :-1]),
    ],
)
def test_tensors_of_other_content_are_one_line(saved, tmp_path, name, key, change):
    folder = tmp_path / "changed"
    shutil.copytree(saved, folder)
    tensors, _ = load_tensors(folder / f"{name}.safetensors")
    save_tensors(folder / f"{name}.safetensors", tensors | {key: change(tensors[key])})
    with pytest.raises(DataError, match="holds no whole searcher") as failure:
        Searcher.load(folder)
    assert "\n" not in str(failure.value)


def test_a_file_in_the_folders_place_is_said_and_left(tmp_path):
    place = tmp_path / "file"
    place.write_text("mine")
    for folder in (place, place / "under"):
        with pytest.raises(DataError, match="is no folder"):
            searcher(5).save(folder)
    assert place.read_text() == "mine"


def test_what_cannot_be_saved_is_said(tmp_path):
    odd = searcher(5, keys=[(1, 2)] * 5)
    with pytest.raises(ValueError, match="texts or whole numbers"):
        odd.save(tmp_path / "odd")
    assert students() is not None


def test_what_is_not_saved_is_given_again(saved):
    class Some:
        """Proposes the first images alone."""

        def shortlist(self, scorer, count):
            return torch.arange(count).expand(len(scorer.guide), -1)

    again = Searcher.load(saved, engine=Some(), shortlist=12, embedder=lambda files: torch.zeros(len(files), E))
    assert again.search(gallery()[:2], "style=Rococo").rows.max() < 12
    assert again.embed(["a.png"]).shape == (1, E)
    for wrong, message in (
        ({"engine": "faiss"}, "the engine is a str"),
        ({"shortlist": 0}, "shortlist is 0"),
        ({"device": "abacus"}, "device is 'abacus'"),
    ):
        with pytest.raises(ValueError, match=message):
            Searcher.load(saved, **wrong)
