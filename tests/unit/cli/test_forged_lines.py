"""A label, a key or a file name cannot write to the terminal as a program does, nor a line into the log."""

import logging
import re
import sys
from dataclasses import dataclass

import pytest
from hostile import ALL, DOING, ESCAPES, LINES

from backward_search import progress
from backward_search.cli.console import LOG, run_script, script_log
from backward_search.errors import DataError
from backward_search.evaluation.result_tables import difference_table
from backward_search.paper.tables import Cell, PaperTable, latex, markdown
from backward_search.visible import LINES as SEVERAL

STAMPED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


@dataclass
class Options:
    condition: str = ""


@pytest.fixture
def said(tmp_path, capsys, monkeypatch):
    """What a script says, at the terminal and in its log."""
    monkeypatch.setattr(sys, "argv", ["E1.py", "--condition", LINES])
    monkeypatch.setattr(LOG, "propagate", True)

    def of(*messages, **more) -> tuple[list[str], list[str]]:
        with script_log(tmp_path / "run.log", Options(f"style={LINES}")):
            for message in messages:
                LOG.info("hit: %s", message, **more)
        log = (tmp_path / "run.log").read_bytes().decode("utf-8")
        shown = capsys.readouterr().out.replace("\n  ", " ")  # folded lines are indented
        return shown.split("\n")[:-1], log.split("\n")[:-1]

    return of


def test_a_message_is_one_line_whatever_it_names(said):
    for lines in said(*ALL, DOING):
        assert len(lines) == 2 + len(ALL) + 1 + 1
        assert not set("".join(lines)) & set(DOING)
        assert sum("finished in" in line for line in lines) == 4  # twice with the options, the label, and the script's
    assert "hit: red\\x1b[2J" in "\n".join(lines)
    assert all(STAMPED.match(line) for line in lines)


def test_our_own_tables_keep_their_lines(said):
    table = PaperTable(
        "t", "Title", ["a", "b"], [[Cell(LINES), Cell("x|y")], [Cell("c"), Cell.not_run(LINES)]], [LINES]
    )
    text = markdown(table)
    terminal, log = said(text, extra=SEVERAL)
    assert len(terminal) == len(log) == 3 + text.count("\n") + 1
    rows = [line for line in terminal if line.startswith("| ")]
    assert [len(re.split(r"(?<!\\)\|", row)) for row in rows] == [4] * 4
    assert not set(latex(table)) & (set(DOING) - {"\n"})


def test_a_difference_table_has_a_line_for_each_method():
    assert difference_table(LINES, {ESCAPES: {}, LINES: {}}, "10").count("\n") == 4


def test_a_library_says_the_true_text(caplog):
    with caplog.at_level(logging.INFO, LOG.name):
        LOG.warning("%s", ESCAPES)
    assert caplog.messages == [ESCAPES]


@pytest.mark.parametrize("name", ALL)
def test_an_error_is_one_line_that_does_nothing(capsys, name):
    def main() -> None:
        raise DataError(f"{name} is no image")

    with pytest.raises(SystemExit) as ended:
        run_script(main)
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1)
    assert not set(said) & (set(DOING) - {"\n"})


def test_a_wrong_option_is_one_line_that_does_nothing(capsys):
    from backward_search.cli import EvaluateOptions, parse

    with pytest.raises(SystemExit):
        parse(EvaluateOptions, None, ["--dataset_name", "CUB", f"--x{ESCAPES}", LINES])
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert not set(said) & (set(DOING) - {"\n"})


def test_a_progress_bar_says_harmlessly_what_is_done():
    told = [
        progress.progress([], f"reading {DOING}", "file").desc,
        progress.byte_progress(f"unpacking {DOING}", 1).desc,
    ]
    assert [text.split()[0] for text in told] == ["reading", "unpacking"]
    assert not set("".join(told)) & set(DOING)
