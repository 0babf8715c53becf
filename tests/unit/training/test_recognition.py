"""What is said of each class, by confusions that can be counted by hand, and by a trainer's own evaluation."""

import csv
import math

import numpy as np
import torch

from backward_search.data.registry import Preprocessing
from backward_search.images.loading import Batch
from backward_search.model.network import Model, ModelConfig
from backward_search.training.recognition import (
    Pair,
    Recognition,
    confused,
    confusion,
    poor_in_words,
    recognitions,
    worst_first,
    write_table,
)
from backward_search.training.trainer import Trainer, TrainingConfig

LABELS = ["Baroque", "Rococo", "Cubism", "Op, Art"]
TRUE = np.array([0] * 4 + [1] * 6 + [2] * 2)
GIVEN = np.array([0, 0, 0, 1] + [0, 0, 0, 1, 2, 2] + [2, 2])
COUNTS = [[3, 1, 0, 0], [3, 1, 2, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
"""Rococo is recognised once in six, three are taken for Baroque; of "Op, Art" there is no image."""


def found() -> list[Recognition]:
    return recognitions(np.array(COUNTS), LABELS)


def test_the_confusion_counts_true_classes_in_rows():
    assert confusion(GIVEN, TRUE, 4).tolist() == COUNTS
    assert confusion(np.empty(0, int), np.empty(0, int), 2).tolist() == [[0, 0], [0, 0]]


def test_each_class_by_hand():
    baroque, rococo, cubism, op = found()
    assert baroque == Recognition("Baroque", 4, 3, 6, "Rococo", 1)
    assert rococo == Recognition("Rococo", 6, 1, 2, "Baroque", 3)
    assert (rococo.recognised, rococo.precision, rococo.share_taken) == (1 / 6, 1 / 2, 1 / 2)
    assert cubism == Recognition("Cubism", 2, 2, 4)
    assert (cubism.recognised, cubism.precision) == (1, 1 / 2)
    assert math.isnan(cubism.share_taken)
    assert all(math.isnan(value) for value in (op.recognised, op.precision, op.share_taken))
    assert [one.poor for one in found()] == [False, True, False, False]
    half = Recognition("half", 10, 5, 5)
    assert not half.poor
    assert [Recognition("few", images, 1, 1).doubtful for images in (4, 5)] == [False, True]


def test_the_first_of_equals_is_what_a_class_is_taken_for():
    (one, *_) = recognitions(np.array([[0, 2, 2], [0, 1, 0], [0, 0, 1]]), ["a", "b", "c"])
    assert (one.taken_for, one.taken, one.recognised) == ("b", 2, 0)
    assert str(one) == "a in 0 of its 4 images (0 %; 2 are taken for b)"


def test_the_worst_come_first_and_classes_without_images_not_at_all():
    assert [one.label for one in worst_first(found())] == ["Rococo", "Baroque", "Cubism"]
    equals = [Recognition("few", 2, 1, 1), Recognition("many", 4, 2, 2)]
    assert [one.label for one in worst_first(equals)] == ["many", "few"]


def test_pairs_are_those_of_most_images():
    pairs = [Pair("Rococo", "Baroque", 3, 6), Pair("Rococo", "Cubism", 2, 6), Pair("Baroque", "Rococo", 1, 4)]
    assert confused(np.array(COUNTS), LABELS, 9) == pairs
    assert confused(np.array(COUNTS), LABELS, 2) == pairs[:2]


def test_a_line_names_the_worst_and_counts_the_others():
    assert poor_in_words(found()) == (
        "1 of 3 classes is recognised in fewer than half of its images: "
        "Rococo in 1 of its 6 images (17 %; 3 are taken for Baroque)"
    )
    many = [Recognition(f"{i}", 10, i, i) for i in range(7)]
    assert poor_in_words(many).startswith("5 of 7 classes are recognised in fewer than half of their images: 0 in 0 of")
    assert poor_in_words(many).endswith("2 in 2 of its 10 images (20 %) and 2 more")
    assert poor_in_words(many[5:]) == "all 2 classes are recognised in half of their images or more"


def test_the_table_has_a_row_for_each_class_and_empty_cells_where_nothing_is_known(tmp_path):
    file = write_table(tmp_path / "heads.csv", {"style": found()}, {"style": np.array([7, 8, 9, 3])})
    with file.open(encoding="utf-8", newline="") as rows:
        header, *rows = csv.reader(rows)
    assert header[:4] == ["attribute", "class", "train_images", "test_images"]
    assert header[4:] == ["recognised", "precision", "taken_for", "share_taken_for"]
    assert rows[0] == ["style", "Baroque", "7", "4", "0.75", "0.5", "Rococo", "0.25"]
    assert rows[2] == ["style", "Cubism", "9", "2", "1.0", "0.5", "", ""]
    assert rows[3] == ["style", "Op, Art", "3", "0", "", "", "", ""]


class Batches:
    """Images of three grades of brightness, and hues at random, in batches of seven and a rest."""

    steps = 4

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.labels = {name: torch.randint(k, (25,), generator=generator) for name, k in (("kind", 3), ("hue", 5))}
        noise = torch.randint(0, 90, (25, 3, 16, 16), generator=generator)
        self.pixels = (noise + 80 * self.labels["kind"][:, None, None, None]).to(torch.uint8)

    def epoch(self, epoch=0, skip=0):
        for rows in torch.arange(25).split(7):
            yield Batch(self.pixels[rows], {name: ids[rows] for name, ids in self.labels.items()}, rows)


def test_an_evaluation_counts_what_the_network_says_of_each_image():
    torch.manual_seed(0)
    model = Model(ModelConfig("small_cnn", 24, {"kind": 3, "hue": 5}, 16))
    config, device = TrainingConfig(8, 0.01, 0.0, 10, 0.1, enc_update=True, seed=0), torch.device("cpu")
    trainer, batches = Trainer(model, config, Preprocessing(size=16), device), Batches()
    for _ in range(8):
        trainer.train_epoch(batches)
    result = trainer.evaluate(batches)
    for name, ids in batches.labels.items():
        counts = np.zeros_like(result.confusion[name])
        for batch in batches.epoch():
            inputs, labels = trainer._inputs(batch)
            with torch.no_grad():
                given = model(inputs)[name].argmax(1)
            for true, said in zip(labels[name].tolist(), given.tolist(), strict=True):
                counts[true, said] += 1
        assert result.confusion[name].tolist() == counts.tolist()
        assert result.accuracy[name] == counts.trace() / 25
        assert name == "hue" or len(np.flatnonzero(counts.sum(0))) > 1  # it has learned what can be seen
        assert counts.sum(1).tolist() == torch.bincount(ids, minlength=len(counts)).tolist()
