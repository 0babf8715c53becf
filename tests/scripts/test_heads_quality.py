"""A class that its head hardly recognises: B1 says so in its files and its log, E1 and E2 where it is asked for."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from scripts_by_name import script
from tiny_set import words

from backward_search.errors import OptionError

COUNT, TEST = 800, 161
EPOCHS = ("--num_epoch", "5", "--batch_size", "64")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Bright or dark images; a third of the bright ones are called dim, which nothing shows, and four images rare."""
    folder, rng = tmp_path_factory.mktemp("doubtful"), np.random.default_rng(0)
    bright = np.arange(COUNT) % 2
    images = rng.integers(0, 90, (COUNT, 16, 16, 3)) + 130 * bright[:, None, None, None]
    kind = np.array(["dark", "bright"])[bright]
    kind[1::6] = "dim"
    kind[:4] = "rare"
    split = np.where(np.arange(COUNT) % 5 == 0, "test", "train")
    split[:4] = ["train", "test", "test", "train"]
    (folder / "pictures").mkdir()
    with (folder / "doubtful.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("path", "kind", "half", "split"))
        for number, image in enumerate(images.astype(np.uint8)):
            Image.fromarray(image).save(folder / "pictures" / f"{number}.png")
            lines.writerow((f"pictures/{number}.png", kind[number], ["left", "right"][bright[number]], split[number]))
    source = ["--source", str(folder / "doubtful.csv"), "--label_columns", "kind,half", "--image_size", "16"]
    script("A1.Data-Preprocessing-custom")(["--dataset_name", "tiny", "--data_root", str(folder / "data"), *source])
    script("A2")(["--dataset_name", "tiny", "--data_root", str(folder / "data")])
    return folder


@pytest.fixture(scope="module")
def run(data):
    run = script("B1")(words(data, "weight", *EPOCHS))
    script("C1")(words(data, "weight", *EPOCHS))
    return run


def rows_of(run):
    with (run / "heads.csv").open(encoding="utf-8", newline="") as file:
        return {(row["attribute"], row["class"]): row for row in csv.DictReader(file)}


def line(row) -> str:
    """How a class is spoken of whose other images are all taken for one other class."""
    count, share = int(row["test_images"]), float(row["recognised"])
    taken = f"{count - round(share * count)} are taken for {row['taken_for']}"
    return f"{row['class']} in {round(share * count)} of its {count} images ({100 * share:.0f} %; {taken})"


def test_b1_says_how_well_each_class_is_recognised(data, run):
    rows = rows_of(run)
    kinds = [("kind", name) for name in ("bright", "dark", "dim", "rare")]
    assert list(rows) == [*kinds, ("half", "left"), ("half", "right")]
    dim = rows["kind", "dim"]
    assert float(dim["recognised"]) < 0.5
    assert (dim["taken_for"], float(dim["share_taken_for"])) == ("bright", 1 - float(dim["recognised"]))
    assert float(rows["half", "left"]["recognised"]) > 0.9
    held = len((run / "holdout.csv").read_text().splitlines()) - 1
    for name, count in (("train_images", COUNT - TEST - held), ("test_images", TEST)):
        assert sum(int(row[name]) for (attribute, _), row in rows.items() if attribute == "half") == count
    said = (run / "run.log").read_text()
    assert f"kind: 2 of 4 classes are recognised in fewer than half of their images: {line(dim)}, rare in " in said
    assert "half: all 2 classes are recognised in half of their images or more" in said
    assert f"wrote {run / 'model.safetensors'}\n" in said
    assert f"wrote {run / 'heads.csv'}\n" in said
    assert (run / "heads.png").stat().st_size > 10_000


@pytest.mark.parametrize("epoch", ["last", "best"])
def test_the_table_is_that_of_the_weights_that_later_stages_use(data, run, epoch):
    if epoch == "best":
        run = script("B1")(words(data, "best", *EPOCHS, "--use_epoch", "best", "--lr", "0.05"))
        script("C1")(words(data, "best", *EPOCHS))
    classes = json.loads((data / "data" / "tiny" / "attributions" / "classes.json").read_text())
    table = np.genfromtxt(
        data / "data" / "tiny" / "attributions" / "preprocessed_tiny_test.csv",
        delimiter=",",
        names=True,
        dtype=None,
        encoding="utf-8",
    )
    for (attribute, label), row in rows_of(run).items():
        number = classes[attribute].index(label)
        given = np.load(run / "embeddings" / f"test-logits-{attribute}.npy").argmax(1) == number
        true = table[attribute] == number
        assert int(row["test_images"]) == true.sum()
        assert float(row["recognised"]) == (given & true).sum() / true.sum()
        assert float(row["precision"] or -1) == ((given & true).sum() / given.sum() if given.any() else -1)


def test_an_older_run_without_the_table_is_finished(data, run):
    file = run / "heads.csv"
    content = file.read_bytes()
    file.unlink()
    before = (run / "manifest-B1.json").read_bytes()
    script("B1")(words(data, "weight", *EPOCHS))
    assert not file.exists()
    assert (run / "manifest-B1.json").read_bytes() == before
    file.write_bytes(content)


def warnings(caplog) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    caplog.clear()
    return found


def test_e1_warns_of_a_class_asked_for_that_its_head_hardly_recognises(data, run, caplog):
    row = rows_of(run)["kind", "dim"]
    dim = f"kind: the head recognises {line(row)}: expect few hits to meet a condition on it"
    unchanged = words(data, "weight", *EPOCHS, "--method", "unchanged")
    caplog.clear()
    script("E1")(unchanged)
    assert warnings(caplog) == [dim]  # rare has two images
    for condition, said in {
        "kind=dim": [dim],
        "half=left; kind=0.5*dim+0.5*dark": [dim],
        "kind=bright|dim:2": [dim],
        "kind=bright": [],
        "kind!=bright": [],
        "kind=rare": [],
        "half!=left": [],
    }.items():
        script("E1")([*unchanged, "--condition", condition])
        assert warnings(caplog) == said, condition
    script("E1")([*unchanged, "--condition", "kind=dim"])  # done already
    assert warnings(caplog) == [dim]
    assert dim in (run / "run.log").read_text()


def test_e1_answers_without_logits_and_says_that_it_knows_less(data, run, caplog):
    file = run / "embeddings" / "test-logits-kind.npy"
    content = file.read_bytes()
    file.unlink()
    again = words(data, "weight", *EPOCHS, "--method", "unchanged", "--overwrite", "True")
    try:
        script("E1")(again)
    finally:
        file.write_bytes(content)
    assert "how well the heads recognise the classes asked for is not known: " in caplog.text
    assert warnings(caplog) == []
    with pytest.raises(OptionError, match="did you mean dim"):
        script("E1")([*again, "--condition", "kind=dimm"])


def test_e2_warns_for_the_query_that_it_draws(data, run, caplog, tmp_path):
    file = data / "data" / "tiny" / "attributions" / "query_kind_tiny_test_random.json"
    asked = [query["condition"]["kind"] for query in json.loads(file.read_text())["queries"]]
    drawn = words(data, "weight", "--num_epoch", "5", "--methods", "unchanged", "--output", str(tmp_path / "a.png"))
    for label in ("dim", "bright"):
        caplog.clear()
        script("E2")([*drawn, "--query_key", str(asked.index(label))])
        assert len(warnings(caplog)) == (label == "dim")
