"""The notebooks run on the demo with a short training, cell by cell, and the pages' programs over a run likewise."""

import json
import re
import sys

import matplotlib.pyplot as plt
import pytest
from doc_pages import PAGES, PROJECT, named, programs_of

import backward_search

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
OVER_A_RUN = [(page, text) for page in PAGES for text in programs_of(page) if "open_run(" in text]


def cells(notebook):
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


@pytest.fixture
def quiet(monkeypatch):
    """Figures are drawn, and not shown."""
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_a_notebook_runs(notebook, demo, quiet, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = {"__name__": "notebook"}
    for cell in cells(notebook):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), notebook.name, "exec"), known)
            if "parameters" in cell["metadata"].get("tags", []):
                known |= {"DATA": demo / "data", "WEIGHT": demo / "weight", "RUN": {"num_epoch": 2}}
    assert re.search(r"^1792 images; \{'family': 4, 'variant': 4, .*classes$", capsys.readouterr().out, re.MULTILINE)
    assert known["table"].iloc[-1].min() > known["table"].iloc[0].min()
    assert known["case_of"](known["found"].keys[0]).count("small") > 4


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_a_notebook_is_stored_without_results(notebook):
    code = [cell for cell in cells(notebook) if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    text = "".join(line for each in cells(notebook) for line in each["source"])
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (notebook.parent / link).exists(), link


@pytest.mark.parametrize(("page", "program"), OVER_A_RUN, ids=[named(page) for page, _ in OVER_A_RUN])
def test_a_program_over_a_run_runs(page, program, demo, monkeypatch, capsys):
    opened = backward_search.open_run
    roots = {"data_root": demo / "data", "weight_root": demo / "weight", "num_epoch": 2}
    monkeypatch.setattr(backward_search, "open_run", lambda name, **more: opened(name, **roots, **more), raising=False)
    exec(program, {})
    assert capsys.readouterr().out
