"""The command that each script names as the next one runs as it stands, from the user's images to the picture."""

import re
import shlex
from pathlib import Path

import pytest
from scripts_by_name import script
from tiny_set import tiny_set

from backward_search.cli import QueryOptions, next_command, parse
from backward_search.cli.command_line import placed
from backward_search.storage.paths import PROJECT

NETWORK = ["--encoder_model", "small_cnn", "--encoding_size", "32", "--num_epoch", "2", "--n_workers", "0"]


def following(text: str) -> tuple[str, list[str]]:
    """The script and the options of the last `next:` line."""
    python, file, *words = shlex.split(re.findall(r"next: (.*)", text)[-1])
    assert python == "python"
    return file, words


def test_the_chain_of_next_lines_leads_to_the_picture(tmp_path, capsys):
    folder = tmp_path / "my data"
    folder.mkdir()
    tiny_set(folder)
    names, extra = (
        [],
        {"B1": [*NETWORK, "--weight_root", str(folder / "my weights")], "D1": ["--student_num_epoch", "3"]},
    )
    extra["E2"] = ["--result_root", str(folder / "pictures")]
    while True:
        text = capsys.readouterr().out
        if "next:" not in text:
            break
        file, words = following(text)
        assert f"--data_root {shlex.quote(str(folder / 'data'))}" in text.splitlines()[-2] + text.splitlines()[-1]
        assert (PROJECT / file).is_file()
        short = file.split(".")[0]
        names.append(short)
        script(short)([*words, *extra.get(short, [])])
    assert names == ["A2", "B1", "C1", "D1", "E1", "E2"]
    assert list((folder / "pictures").rglob("query_*.png"))
    assert not list((PROJECT / "weight").glob("*datasettiny*"))


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("data", "data", "{cwd}/data"),
        ("../a b", "data", "{parent}/a b"),
        ("/x/./y", "data", "/x/y"),
        ("", "", ""),
        (str(PROJECT / "data"), "data", "data"),
        ("~/x", "data", str(Path("~/x").expanduser())),
    ],
)
def test_a_relative_folder_begins_where_the_command_is_given(text, default, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert placed(text, default) == expected.format(cwd=tmp_path, parent=tmp_path.parent)


def test_in_the_project_s_folder_it_stays_and_a_default_is_the_project_s_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    assert placed("data", "data") == "data"
    monkeypatch.chdir(tmp_path)
    options = parse(QueryOptions, None, ["--dataset_name", "glyphs"])
    assert options.data.folder == PROJECT / "data" / "glyphs"
    command = next_command(options, "B1.BuildModel.py", QueryOptions)
    assert command.startswith(f"python {PROJECT}/B1.BuildModel.py --dataset_name glyphs")
    here = parse(QueryOptions, None, ["--dataset_name", "glyphs", "--data_root", "mine"])
    assert here.data.folder == tmp_path / "mine" / "glyphs"
    assert f"--data_root {tmp_path}/mine" in next_command(here, "B1.BuildModel.py", QueryOptions)
