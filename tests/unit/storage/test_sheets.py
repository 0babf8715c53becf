"""CSV files for people hold no formula; those that are read back hold what was written."""

import csv

import numpy as np
import pytest
from hostile import ALL

from backward_search.storage.atomic import write_csv, write_sheet
from backward_search.storage.keys import read_columns

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-cmd|' /C calc'!A0", "＝1", "＋1", "－1", "＠x"]


def cells_of(file, delimiter: str = ",") -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.reader(opened, delimiter=delimiter))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_begins_as_a_formula_is_text(tmp_path, text):
    header, row = cells_of(write_sheet(tmp_path / "a.csv", [text], [[text]]))
    assert header == row
    assert row[0].startswith("'")
    assert row[0].replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("text", [f"{before}{formula}" for before in ("a;", "a\t", "a\n") for formula in FORMULAS])
def test_no_cell_is_a_formula_whatever_separates_cells(tmp_path, text, delimiter):
    rows = cells_of(write_sheet(tmp_path / "a.csv", ["key", "shared"], [[0, text]]), delimiter)
    assert not [cell for row in rows for cell in row if cell and cell[0] in "=+-@\t\r\n＝＋－＠" and len(cell) > 1]


def test_numbers_stay_numbers_and_other_text_stays(tmp_path):
    row = [-0.5, np.float64(-0.5), -3, True, "", "-", "a-b", "x=y", "birds=-1"]
    (_, written) = cells_of(write_sheet(tmp_path / "a.csv", ["a"] * len(row), [row]))
    assert written == [str(value) for value in row]


def test_what_is_read_back_is_what_was_written(tmp_path):
    keys = [*ALL, *FORMULAS, "'=1", "", " a ", '"']
    file = write_csv(tmp_path / "a.csv", ["key", "=tags"], zip(keys, reversed(keys), strict=True))
    assert read_columns(file, "again") == {"key": keys, "=tags": keys[::-1]}
