"""The paper's tables as text, and the words and commands of their tasks."""

import csv

import pytest

from backward_search.cli import PaperTableOptions, parse
from backward_search.errors import OptionError
from backward_search.paper.tables import Cell, PaperTable, latex, markdown, write_table
from backward_search.paper.tasks import tasks_of
from backward_search.stages.paper_settings import Settings

WAITS = Cell.not_run("python E1.py --dataset_name CUB")
TABLE = PaperTable(
    "table9_test",
    "Table 9: 5 % & more",
    ("data_set", "a", "b"),
    [[Cell("CUB"), WAITS, Cell("0.500")], [Cell("APY"), Cell.not_run("python C1.py", "it is stale"), WAITS]],
    ["Protocol: paper."],
)


def test_a_cell_that_was_not_run_refers_to_its_command():
    lines = markdown(TABLE).splitlines()
    assert lines[4:6] == ["| CUB | not run [1] | 0.500 |", "| APY | not run [2] | not run [1] |"]
    assert lines[-2:] == [
        "- [1] not run: `python E1.py --dataset_name CUB`",
        "- [2] not run: `python C1.py (it is stale)`",
    ]


def test_latex_has_a_row_each_and_no_bare_signs():
    text = latex(TABLE)
    assert r"\caption{Table 9: 5 \% \& more}" in text
    assert r"CUB & not run [1] & 0.500 \\" in text
    assert r"[1] \texttt{python E1.py --dataset\_name CUB}" in text
    assert text.count(r"\\") == 3


def test_all_three_files_are_written(tmp_path):
    written = write_table(TABLE, lambda suffix: tmp_path / f"table{suffix}")
    assert [place.name for place in written] == ["table.md", "table.csv", "table.tex"]
    with written[1].open(newline="") as file:
        header, first, _ = csv.reader(file)
    assert header == ["data_set", "a", "b"]
    assert first == ["CUB", "not run: python E1.py --dataset_name CUB", "0.500"]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="1 cells for 2"):
        PaperTable("x", "x", ("a", "b"), [[Cell("1")]])


def test_the_published_tasks_have_their_lambdas():
    tasks = [task for name in ("CUB", "APY", "wikiart") for task in tasks_of(name, "data")]
    found = [(task.dataset, task.num_condition, task.inverse_lambda) for task in tasks]
    assert found == [("CUB", 1, 0.51), ("APY", 1, 0.7), ("wikiart", 1, 1.1), ("wikiart", 2, 3.2)]
    assert [task.encoders for task in tasks_of("glyphs", "data")] == [("small_cnn", "mobilenet_v3_small")] * 2


def test_the_commands_name_what_is_not_a_default():
    options = parse(
        PaperTableOptions, "", ["--dataset_name", "wikiart", "--protocol", "strict", "--pretrained", "False"]
    )
    settings = Settings(options, tasks_of("wikiart", "data")[1], "resnet50", enc_update=False)
    evaluation = settings.evaluation("--method", "student")
    model = "--dataset_name wikiart --encoder_model resnet50 --enc_update False"
    task = "--num_condition 2 --inverse_lambda 3.2"
    assert settings.commands(evaluation) == {
        "A1": "python A1.Data-Preprocessing-wikiart.py",
        "A2": "python A2.Query-Generating.py --dataset_name wikiart --protocol strict",
        "B1": f"python B1.BuildModel.py {model} --pretrained False",
        "C1": f"python C1.ModelTest.py {model}",
        "D1": f"python D1.Train-KD-Model.py {model} {task}",
        "E1": f"python E1.Model-Evaluation.py {model} {task} --protocol strict --method student",
    }


def test_a_file_of_weights_goes_on_to_the_training(tmp_path, monkeypatch):
    (tmp_path / "resnet50.pth").touch()
    monkeypatch.chdir(tmp_path)
    options = parse(PaperTableOptions, "", ["--dataset_name", "CUB", "--pretrained", "resnet50.pth"])
    settings = Settings(options, tasks_of("CUB", "data")[0], "resnet50")
    assert settings.training.pretrained == str(tmp_path / "resnet50.pth")
    assert f"--pretrained {tmp_path}/resnet50.pth" in settings.commands(settings.evaluation())["B1"]
    with pytest.raises(OptionError, match=r"--pretrained .*resnet18.pth is neither True nor False, nor a file"):
        parse(PaperTableOptions, "", ["--dataset_name", "CUB", "--pretrained", "resnet18.pth"])
