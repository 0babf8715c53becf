"""E3 on the demo data set with a short training, beside a published data set that is not there."""

import csv
import json
import shlex

import pytest
from test_pipeline import roots, script, trained, words

from backward_search.errors import UserError

__all__ = ["roots", "trained"]  # the fixtures


def made(trained, name: str, *more: str) -> list[dict[str, str]]:
    """The rows of a table that E3 makes."""
    folder, _ = trained
    own = words(trained)[2:]
    place = script("E3")(["--dataset_name", "glyphs,CUB", *own, "--table_root", str(folder / "tables"), *more])
    (file,) = place.glob(f"{name}*.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_what_is_cheap_is_measured_and_the_rest_names_its_commands(trained):
    rows = made(trained, "table2", "--tables", "2")
    column = next(name for name in rows[0] if "precision@10" in name)
    (run,) = (trained[0] / "weight").iterdir()
    results = json.loads((run / "results" / "family-variant" / "teacher-lambda0.0.json").read_text())
    (mine,) = [row for row in rows if (row["condition"], row["lambda"]) == ("family+variant", "0")]
    assert mine[column].startswith(f"{results['precision_at_10']:.3f} (")
    (theirs,) = [row for row in rows if (row["data set"], row["lambda"]) == ("CUB", "0.51")]
    scripts = [shlex.split(command)[1][:2] for command in theirs[column].removeprefix("not run: ").split(" && ")]
    assert scripts == ["A1", "A2", "B1", "C1", "E1"]
    text = (trained[0] / "tables" / "table2_regularisation.md").read_text()
    assert "Protocol: paper. Tables of glyphs: seed 0, size 48" in text


def test_the_command_of_a_cell_fills_it(trained):
    before = made(trained, "table6", "--tables", "6")[1]
    commands = before["ms per query"].removeprefix("not run: ").split(" && ")
    assert [shlex.split(command)[1][:2] for command in commands] == ["D1", "E1"]
    for command in commands:
        _, name, *rest = shlex.split(command)
        script(name[:2])(rest)
    after = made(trained, "table6", "--tables", "6")[1]
    assert float(after["times the teacher's speed"]) > 1
    assert after["mTS@10"][0] == "0"


def test_numbers_of_the_paper_are_marked_and_none_is_invented(trained):
    rows = made(trained, "table4", "--tables", "4")
    (blank,) = [row for row in rows if row["data set"] == "CUB" and row["method"] == "composed-retrieval models"]
    assert blank["mTS@10"] == "copy from the paper"
    file = trained[0] / "tables" / "from_paper.csv"
    file.write_text(file.read_text() + "CUB,birds,some model,0.123,\n")
    (copied,) = [row for row in made(trained, "table4", "--tables", "4") if row["method"] == "some model"]
    assert copied["mAP@10 of the paper (precision@10)"] == "0.123 (paper)"
    assert copied["mTS@10"] == "copy from the paper"
    file.write_text("dataset,method\n")
    with pytest.raises(UserError, match=r"from_paper\.csv does not begin with"):
        made(trained, "table4", "--tables", "4")


def test_results_of_other_weights_are_no_number(trained, tmp_path):
    (weights,) = trained[0].glob("weight/*/model.safetensors")
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    try:
        row = made(trained, "table2", "--tables", "2")[0]
    finally:
        weights.write_bytes(kept)
    assert row["mTS@10"].startswith("not run: python E1.Model-Evaluation.py")
    assert "other weights" in row["mTS@10"]


def test_a_table_that_does_not_exist_is_refused(trained):
    with pytest.raises(UserError, match="--tables 1,7"):
        made(trained, "table1", "--tables", "1,7")
