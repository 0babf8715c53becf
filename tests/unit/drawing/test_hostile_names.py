"""Every figure can be drawn whatever the labels, tags and keys are called, in little time, and shows them as text."""

import time
import warnings

import numpy as np
import pytest
from hostile import ALL, DOING, ESCAPES, LINES, LONG, MATH, ODD
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from backward_search.drawing.exhibit import Card, Exhibit, Hit, Row, draw
from backward_search.drawing.heads import HeadPanel, draw_heads
from backward_search.drawing.history import draw_history
from backward_search.drawing.space import Space, Way
from backward_search.drawing.sweep import draw_sweep
from backward_search.drawing.text import printable, width_of, wrapped
from backward_search.evaluation.sweep import write_sweep
from backward_search.training.history import History
from backward_search.training.recognition import confused, recognitions, write_table
from backward_search.visible import visible


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are written."""
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda each, *rest, **more: figures.append(each) or save(each, *rest, **more)
    )
    return figures


def harmless(figure: Figure) -> list[str]:
    """The texts of a figure that is drawn, none of which does anything."""
    FigureCanvasAgg(figure).draw()
    texts = [one.get_text() for one in figure.findobj(Text)]
    assert not set("".join(texts)) & (set(DOING) - {"\n"})
    return texts


def test_line_ends_and_turns_are_shown():
    assert printable(LINES).startswith("blue\\r\\n2030")
    assert printable(ESCAPES).startswith("red\\x1b[2J")


@pytest.mark.parametrize("text", [LONG, "印" * 10_000, "a " * 5_000, "ab-" * 3_000, "\x1b" * 10_000, " " * 10_000])
@pytest.mark.parametrize("most", [3, 100])
def test_a_text_of_any_length_is_broken_soon(text, most):
    start = time.perf_counter()
    lines = wrapped(text, 1.0, most=most)
    assert time.perf_counter() - start < 5
    assert len(lines) <= most
    assert all(width_of(line, 6.5) <= 1.0 for line in lines)


@pytest.mark.parametrize("name", [ESCAPES, LINES, LONG, MATH, ODD])
def test_the_figure_of_a_query_of_any_names(name):
    hit = Hit(None, [name, name], ["cos 0.50"], meets=True, name=name, shared=(name, *ALL))
    points = np.random.default_rng(0).random((9, 2))
    half = np.arange(9) < 4
    space = Space(name, points, half, ~half, name, name, [Way(0.5, points[:3], [(0, "t_0"), (2, MATH)])])
    card = Card(None, name, [("Condition", name), ("Tags", ", ".join(ALL))])
    texts = harmless(draw(Exhibit(card, [Row(name, [hit])], space), 8.0))
    assert visible(name)[:4] in "".join(texts)


def test_the_figures_of_heads_and_of_a_training_of_any_names(tmp_path, drawn):
    counts = np.random.default_rng(0).poisson(2, (len(ALL), len(ALL)))
    found = recognitions(counts, ALL)
    for name in (MATH, LONG):
        draw_heads(tmp_path / "heads.png", [HeadPanel(name, found, confused(counts, ALL, 5))])
    write_table(tmp_path / "heads.csv", dict.fromkeys(ALL, found), dict.fromkeys(ALL, counts.sum(1)))
    history = History(ALL, [[1.0, 1.0, *np.linspace(0, 1, 2 * len(ALL)).tolist()]] * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_history(tmp_path / "history.png", history)
    history.write(tmp_path / "history.csv")
    for figure in drawn:
        harmless(figure)
    legend = [text.get_text() for text in drawn[-1].axes[1].get_legend().get_texts()]
    assert len(legend) == 2 * len(ALL)
    assert f"train: {ODD}" in legend


@pytest.mark.parametrize("name", ALL)
def test_the_figure_of_a_sweep_of_any_names(tmp_path, drawn, name):
    row = {"dataset": name, "task": [name, "b"], "protocol": "strict", "gradient_evaluations": 3.0}
    measure = {"precision_at_10": 0.5, "precision_at_10_interval": [0.4, 0.6]}
    rows = [row | measure | {"lambda": value} for value in (-0.5, 1.0)]
    write_sweep(tmp_path / "sweep.csv", rows)
    draw_sweep(tmp_path / "sweep.png", rows)
    assert "-0.5,0.5" in (tmp_path / "sweep.csv").read_text()
    harmless(drawn[0])
