"""One look for all figures, whatever a user's own settings are, and text that stays text in a file."""

import re
import threading
import xml.etree.ElementTree as ET

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backward_search.drawing.style import save, save_pages, styled


@styled()
def curve(title="A curve, Ω and П"):
    figure = Figure(figsize=(3, 2))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1])
    axes.set_title(title)
    return figure


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_neither_the_users_settings_nor_ours_reach_the_other(tmp_path, form):
    first = save(curve(), tmp_path / f"a.{form}").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.linewidth": 5, "svg.fonttype": "path", "pdf.fonttype": 3}):
        before = dict(matplotlib.rcParams)
        second = save(curve(), tmp_path / f"b.{form}").read_bytes()
        assert dict(matplotlib.rcParams) == before
    assert first == second


def test_threads_leave_the_settings_as_they_were():
    before = dict(matplotlib.rcParams)
    threads = [threading.Thread(target=curve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(matplotlib.rcParams) == before


def test_text_stays_text(tmp_path):
    svg = ET.parse(save(curve(), tmp_path / "a.svg"))
    assert "A curve, Ω and П" in ["".join(each.itertext()) for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    pdf = save(curve(), tmp_path / "a.pdf").read_bytes()
    assert b"/Subtype /CIDFontType2" in pdf  # the outlines of the font itself
    assert b"/Subtype /Type3" not in pdf


def test_figures_become_pages(tmp_path):
    each = [save_pages([curve(), curve("another")], tmp_path / f"{name}.pdf").read_bytes() for name in "ab"]
    assert each[0] == each[1]
    assert len(re.findall(rb"/Type /Page\b", each[0])) == 2
