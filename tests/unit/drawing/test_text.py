"""Text in figures: every line fits its width, and nothing is drawn as a box."""

import warnings

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backward_search.drawing.text import UNKNOWN, printable, width_of, wrapped, write


@pytest.mark.parametrize(
    "text", ["Mannerism_Late_Renaissance", "a" * 80, "001.Black_footed_Albatross and others", "Color Field"]
)
@pytest.mark.parametrize("width", [0.4, 0.62, 1.5])
def test_every_line_fits_and_no_letter_is_lost(text, width):
    lines = wrapped(text, width)
    assert all(width_of(line, 6.5) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_is_cut_off_is_said():
    lines = wrapped("one two three four five six seven eight nine", 0.5, most=2)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert all(width_of(line, 6.5) <= 0.5 for line in lines)


@pytest.mark.parametrize(
    "text", ["plain", "Œuvre ½ Ω", "\U0001f95e \U00012000 \ue000", "a\x00b\u200bc\nd", "$x_1$ and $"]
)
def test_no_character_is_missing_from_the_fonts(text):
    figure = Figure(figsize=(3, 1))
    canvas = FigureCanvasAgg(figure)
    write(figure, 0, 0, [printable(text)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a missing glyph
        canvas.draw()


def test_an_unknown_character_becomes_a_mark_and_a_letter_stays():
    assert printable("Śl\ue000") == f"Śl{UNKNOWN}"
