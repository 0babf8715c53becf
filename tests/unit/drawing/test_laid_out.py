"""Figures of queries and contact sheets: nothing overlaps or leaves the figure, and pictures of any shape are whole."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from backward_search.data.opening import USUAL
from backward_search.drawing.cells import FRAME, LEGEND, THICK, draw_cell
from backward_search.drawing.exhibit import Card, Exhibit, Hit, Row, draw
from backward_search.drawing.sheet import TALL, pages
from backward_search.drawing.space import Space, Way
from backward_search.drawing.style import GREY, MEETS

LONG = "Abstract_Expressionism_of_the_late_period_and_of_its_followers"
NAMES = ("Rococo", LONG, "Пуантилизм и неоимпрессионизм", "מינימליזם", "انطباعية", "a b " * 30)
SHAPES = {"panorama": (60, 12), "tall": (10, 60), "square": (30, 30), "landscape": (45, 30)}


@pytest.fixture
def exhibits(tmp_path):
    """By the number of methods a query with names and pictures of all kinds."""
    files = []
    for name, size in SHAPES.items():
        files.append(tmp_path / f"{name}.png")
        Image.new("RGB", size, "red").save(files[-1])

    def made(methods, hits=10):
        found = [
            Hit([*files, None][i % 5], [NAMES[i % 6]], ["cos 0.50"], i % 3 == 0, NAMES[i % 6], (NAMES[i % 5], "boat"))
            for i in range(hits)
        ]
        rows = [Row(f"{name}: 4 of 10 meet the condition", found, name) for name in ("teacher", LONG, "best", "no")]
        card = Card(files[0], LONG, [("Condition", "style=" + " ".join(NAMES)), ("Tags of the query", LONG * 3)])
        return Exhibit(card, rows[:methods])

    return made


def overlap(one: Text, other: Text) -> bool:
    return one.get_window_extent().overlaps(other.get_window_extent())


def stands_well(figure: Figure, but: Sequence[Text] = ()) -> None:
    """No text of a figure, but some, overlaps another one, a picture, or the figure's edge."""
    FigureCanvasAgg(figure).draw()
    texts = [one for one in figure.findobj(Text) if one.get_text().strip() and one not in but]
    boxes = [one.get_window_extent().padded(-0.75) for one in texts]
    for box in boxes:
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    pictures = [axes.get_window_extent() for axes in figure.axes if axes.images]
    assert not [1 for box, picture in itertools.product(boxes, pictures) if box.overlaps(picture)]
    assert not [pair for pair in itertools.combinations(pictures, 2) if pair[0].overlaps(pair[1])]


@pytest.mark.parametrize("width", [2, 3.4, 7])
@pytest.mark.parametrize("methods", [1, 4])
def test_nothing_overlaps_in_the_figure_of_a_query(exhibits, width, methods):
    stands_well(draw(exhibits(methods), width))


@pytest.mark.parametrize(("width", "hits"), [(2, 3), (3.4, 10), (7, 24)])
@pytest.mark.parametrize("methods", [1, 3])
def test_nothing_overlaps_in_a_contact_sheet(exhibits, width, hits, methods):
    (figure,) = pages([exhibits(methods, hits)] * 2, f"{LONG}; teacher", width, whole=True)
    stands_well(figure)


def test_pages_are_as_high_as_paper_and_hold_every_query_once(exhibits):
    each = list(pages([exhibits(1, 4)] * 14, "teacher", 7))
    assert len(each) > 1
    for number, figure in enumerate(each, 1):
        width, height = figure.get_size_inches()
        assert height <= width * TALL
        texts = [one.get_text() for one in figure.findobj(Text) if one.get_text()]
        assert f"{LEGEND}; page {number} of {len(each)}" in texts
    assert (
        sum(len(figure.findobj(lambda one: isinstance(one, Text) and one.get_text() == "2 of 4")) for figure in each)
        == 14
    )
    (whole,) = pages([exhibits(1, 4)] * 14, "teacher", 7, whole=True)
    assert len(whole.axes) == sum(len(figure.axes) for figure in each)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("meets", [True, False])
def test_a_picture_is_whole_and_a_hit_is_marked_by_more_than_colour(tmp_path, name, meets):
    file = tmp_path / "picture.png"
    Image.new("RGB", SHAPES[name], "red").save(file)
    figure = Figure(figsize=(2, 2))
    draw_cell(figure, file, 0.5, 0.5, 1, USUAL, meets=meets)
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    left, right, low, high = axes.images[0].get_extent()
    assert (right - left) / (high - low) == pytest.approx(SHAPES[name][0] / SHAPES[name][1])
    assert max(right - left, high - low) == pytest.approx(1)
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0, 1))
    frame = axes.spines["left"]
    assert frame.get_linewidth() == (THICK if meets else FRAME)
    assert to_hex(frame.get_edgecolor()) == (MEETS if meets else GREY)
    assert len(axes.lines) == meets


@pytest.mark.parametrize("width", [3.4, 7])
@pytest.mark.parametrize("corner", [0.0, 1.0])
def test_nothing_overlaps_around_a_map_and_its_names_stay_inside(exhibits, width, corner):
    points = np.random.default_rng(0).random((50, 2))
    half = np.arange(50) < 10
    end = np.array([[0.5, 0.5], [corner, corner + 0.01], [corner, corner]])
    space = Space(
        "t-SNE",
        points,
        half,
        ~half,
        LONG,
        LONG,
        [Way(0.5, end, [(0, "t_0"), (1, "t_1"), (2, "t_2")]), Way(5, end), Way(50, end[:2])],
        among=True,
    )
    figure = draw(replace(exhibits(1), space=space), width)
    (square,) = [axes for axes in figure.axes if axes.collections]
    names = [one for one in square.texts if one.get_text()]
    stands_well(figure, but=names)
    for box in (one.get_window_extent() for one in names):
        assert square.bbox.x0 < box.x0 < box.x1 < square.bbox.x1
        assert square.bbox.y0 < box.y0 < box.y1 < square.bbox.y1
    assert not [pair for pair in itertools.combinations(names, 2) if overlap(*pair)]
    lowest = min(one.get_window_extent().y0 for one in figure.findobj(Text) if one.get_text())
    assert lowest < 0.2 * figure.dpi  # no empty space below


def test_names_stand_at_their_points_also_where_those_lie_apart(exhibits):
    points = np.random.default_rng(0).random((50, 2))
    half = np.arange(50) < 10
    points[~half] += 5
    way = Way(0.5, np.array([[0.5, 0.5], [3.0, 4.0], [5.5, 5.5]]), [(0, "t_0"), (2, "t_2")])
    figure = draw(replace(exhibits(1), space=Space("PCA", points, half, ~half, LONG, LONG, [way])), 7)
    figure.canvas.draw()
    (square,) = [axes for axes in figure.axes if axes.collections]
    for name, spot in (("t_0", way.points[0]), ("t_2", way.points[2])):
        (text,) = [one for one in square.texts if one.get_text() == name]
        box = text.get_window_extent()
        apart = np.hypot(*(square.transData.transform(spot) - ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)))
        assert apart < 0.5 * figure.dpi, name
