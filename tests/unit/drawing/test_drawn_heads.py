"""The figure of heads: any number of them, of classes of any name."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from backward_search.drawing.heads import ACROSS, DPI, MARGIN, MOST, WIDTH, HeadPanel, draw_heads
from backward_search.training.recognition import confused, recognitions

AWKWARD = [
    "Рококо",
    "印象派",
    "$x_1$ & $y$",
    "$unclosed",
    "\U0001f95e",
    "x" * 80,
    "%s{}",
    " ",
    "Abstract_Expressionism",
]


def panel(name: str, labels: list[str], seed: int = 0) -> HeadPanel:
    counts = np.random.default_rng(seed).poisson(2, (len(labels), len(labels)))
    return HeadPanel(name, recognitions(counts, labels), confused(counts, labels, 5))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_heads_are_drawn_as_panels_of_any_class_names(tmp_path, monkeypatch, count):
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *rest, **more: drawn.append(figure) or save(figure, *rest))
    panels = [panel("style", AWKWARD), *(panel(f"attribute {i}", [f"{i}.{j}" for j in range(60)]) for i in range(5))]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # as of a character that no font has
        file = draw_heads(tmp_path / "heads.png", panels[:count])
    (figure,) = drawn
    assert len(figure.axes) == count
    assert [len(axes.patches) for axes in figure.axes] == [len(AWKWARD), *([MOST] * (count - 1))]
    with Image.open(file) as image:
        assert image.width == pytest.approx(DPI * (min(count, ACROSS) * (WIDTH + MARGIN) + MARGIN), abs=1)
    assert not list(tmp_path.glob(".*"))


def test_of_many_classes_the_worst_are_drawn_and_the_title_says_so():
    counts = np.diag(np.arange(60)) + np.eye(60, k=1, dtype=int) * 30
    many = HeadPanel("style", recognitions(counts, [f"{i}" for i in range(60)]), [])
    assert [one.label for one in many.drawn] == [f"{i}" for i in range(MOST)]
    assert many.title == [f"style: the worst {MOST} of 60 classes"]


def test_a_class_without_test_images_has_no_bar_and_none_at_all_no_crash(tmp_path):
    some = HeadPanel("hue", recognitions(np.diag([3, 0]), ["a", "b"]), [])
    none = HeadPanel("hue", recognitions(np.zeros((2, 2), int), ["a", "b"]), [])
    assert [one.label for one in some.drawn] == ["a"]
    assert some.title == ["hue: 1 class, 1 without test images"]
    assert draw_heads(tmp_path / "heads.png", [some, none]).stat().st_size > 1000
