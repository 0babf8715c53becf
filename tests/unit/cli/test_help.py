"""What --help shows: one screen of what most people need; --help-all shows everything, each once."""

import re
from dataclasses import fields

import pytest
from scripts_by_name import PROJECT, script

from backward_search import cli
from backward_search.cli import EvaluateOptions, answering_groups, parse
from backward_search.methods.asking import STUDENT
from backward_search.methods.registry import METHODS

SCRIPTS = sorted(file.stem for file in PROJECT.glob("[A-Z][0-9].*.py"))
KINDS = [getattr(cli, name) for name in cli.__all__ if name.endswith("Options")]


def shown(capsys, show, *words):
    with pytest.raises(SystemExit) as ended:
        show([*words])
    assert ended.value.code == 0
    return capsys.readouterr().out


def options_in(text):
    return re.findall(r"^  --(\w+)", text, re.MULTILINE)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_is_one_screen(name, capsys):
    lines = shown(capsys, script(name), "--help").splitlines()
    assert lines[0].startswith("usage: ")
    assert lines[0].endswith(" [options]")
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100
    assert "--help-all" in lines[-1]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_help_all_shows_each_option_once(kind, capsys):
    text = shown(capsys, lambda words: parse(kind, "What it does.\n\nReads: x", words), "--help-all")
    names = [each.name for each in fields(kind) if not each.metadata.get("further")]
    assert sorted(options_in(text)) == sorted(names)
    assert "Reads: x" in text


def test_help_shows_the_first_paragraph_and_what_is_required_first(capsys):
    text = shown(capsys, lambda words: parse(EvaluateOptions, "What it does.\n\nReads: x", words), "-h")
    assert "What it does." in text
    assert "Reads" not in text
    first, *others = options_in(text)
    assert first == "dataset_name"
    assert "method" in others
    assert not {"nprobe", "student_depth"} & set(others)


def test_what_a_script_sets_itself_is_not_offered(capsys):
    text = shown(capsys, script("A1.Data-Preprocessing-CUB"), "--help-all")
    assert "--dataset_name" not in text


def test_an_option_says_which_methods_it_is_for(capsys):
    text = " ".join(shown(capsys, lambda words: parse(EvaluateOptions, "", words), "--help-all").split())
    assert "units of the student's hidden layers (of student)" in text
    assert "(of class_shift, shift_null, best) [1.0]" in text
    assert re.search(r"--seed N [^-]*\[0\]", text)


def test_the_methods_that_options_name_are_those_of_the_registry():
    own = {name: METHODS[name] for name in METHODS if METHODS[name].__module__.startswith("backward_search.")}
    taking = {
        option: {n for n, m in own.items() if option in [k.option for k in m.knobs]} for option in ("strength", "shift")
    }
    assert set(answering_groups.WEIGHED) == taking["strength"]
    assert set(answering_groups.SHIFTED) == taking["shift"]
    assert set(answering_groups.SEARCHING) == {name for name, method in own.items() if method.searches}
    assert set(answering_groups.STUDENTS) == {name for name, method in own.items() if STUDENT in method.needs}


def test_a_data_set_that_need_not_be_named_is_not_asked_for(capsys):
    with pytest.raises(SystemExit):
        script("A2")(["--help"])
    said = capsys.readouterr().out
    assert "[every one that is prepared]" in " ".join(said.split())
    assert said.splitlines()[0].endswith(" [options]")
    assert "--dataset_name" not in said.splitlines()[0]
