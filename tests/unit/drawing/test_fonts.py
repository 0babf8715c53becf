"""A letter is drawn with a font that is installed; of one that no font has somebody is told."""

import warnings

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backward_search.drawing import fonts
from backward_search.drawing.fonts import doubts, families, has
from backward_search.drawing.text import printable, width_of, write

CACHES = [fonts._usual, fonts._of_the_usual, fonts._further, fonts._others]
RUSSIAN = "Пуантилизм"


@pytest.fixture
def latin(monkeypatch):
    """The usual fonts have Latin letters alone."""

    def forget():
        for each in CACHES:
            each.cache_clear()

    monkeypatch.setattr(fonts, "FONTS", ("cmr10",))
    forget()
    yield
    monkeypatch.undo()
    forget()


def test_another_installed_font_serves_for_letters_that_the_usual_lack(latin):
    assert families("plain") == ("cmr10",)
    found = families(RUSSIAN)
    assert len(found) == 2
    assert printable(RUSSIAN) == RUSSIAN
    assert not doubts([RUSSIAN])
    figure = Figure(figsize=(3, 1))
    write(figure, 0, 0, [RUSSIAN])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a missing glyph
        FigureCanvasAgg(figure).draw()
    assert width_of("ПП", 6.5) == pytest.approx(2 * width_of("П", 6.5), rel=0.1)


def test_of_letters_that_no_font_has_it_says_which_and_what_to_install(monkeypatch):
    monkeypatch.setattr(fonts, "has", lambda letter: letter.isascii())
    (line,) = doubts(["plain", "浮世絵 prints", "フォーヴ"])
    assert "the Chinese and Japanese letters of some names (such as 浮世絵 prints)" in line
    assert "install Noto Sans CJK," in line
    (line,) = doubts(["ქართული"])
    assert "the Georgian letters" in line
    assert "install Noto Sans Georgian," in line


def test_nothing_is_said_of_names_that_can_be_drawn_and_of_signs():
    assert not doubts(["plain", RUSSIAN, "a\x1bb", "\ue000 \U0001f95e"])


@pytest.mark.parametrize(("version", "said"), [((3, 10, 0), 1), ((3, 11, 0), 0)])
def test_an_older_matplotlib_that_cannot_turn_a_text_round_is_named(monkeypatch, version, said):
    monkeypatch.setattr(matplotlib, "__version_info__", version)
    assert len(doubts(["אב"])) == said


def test_no_font_that_draws_boxes_counts():
    assert not has("\ue000")
    assert all("Last Resort" not in font.name for font in fonts._others())
